"""Survey: fringes of all shifters of square tiles, column by column in the order of the light.

**Order.** Attenuators come first: the total power that leaves a tile, for all inputs, needs no
knowledge of the meshes. Then the columns, theta and phi of each, all MZIs of a column and all tiles
at once. Light enters a column on known modes, because all columns before it are known and set to
bar. What lies behind it may be unknown, and is in the first pass. Afterwards all MZIs are near bar,
contrasts are high, and each further pass squares the errors.

**theta.** Light in one input of an MZI leaves its outputs in the ratio sin^2(theta/2) to
cos^2(theta/2). MZIs behind it make the two interfere. The first shifter that turns one of them is
flipped by pi, and phi with it, which does the same to light that leaked into the other input; the
mean of both readings has its extremes at bar and at cross. Which is which shows in the column
behind: the MZI that one output leads to modulates the light that is there.

**phi.** Light of equal amplitude and phase in both modes of an MZI at theta = pi/2 gives a fringe
in phi, referred to the inputs of the tile. At theta = 3 pi/2 the fringe has the other sign and the
opposite error from the couplers, so half the difference is free of it in first order.

**Crosstalk.** That of the data sheet is in the model of every command, and is solved for where
several shifters of a column are scanned together.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from photonic.calibration.bench import Bench
from photonic.calibration.chip_estimate import ChipEstimate, rounded_command, signed_phase
from photonic.calibration.drive_range import DriveRange
from photonic.calibration.fringes import Fringe, common_weights, fit_fringe
from photonic.calibration.light_paths import LightPaths, next_on_modes, next_shifter
from photonic.layout import MeshColumn
from photonic.mesh_state import MESHES

# Shapes: R, C tiles, N modes, M MZIs, S shifters of a mesh, Z those of a tile, P those of a scan,
# T commands of a scan, K vectors.

_SPREAD = 0.1
"""Largest relative deviation of a slope that is searched; chips reach 2.4 %."""
_QUARTERS = 4
"""Commands that show whether a shifter modulates something."""

_Settings = Sequence[tuple[float, Tensor]]
"""Weights of readings, and (R, C, S) commands at which they are taken."""


class Survey:
    """A bench, the paths of light through its tiles, and what is known of its shifters so far.

    Between measurements all MZIs and attenuators are at bar, as far as known, and phi and screens
    at command 0.

    Args:
        bench: square tiles; its phases are set to bar.
        num_commands: T, equally spaced commands of a scan over the range of the drive.

    Raises:
        ValueError: if tiles are not square.
    """

    def __init__(self, bench: Bench, num_commands: int) -> None:
        self.estimate = ChipEstimate.nominal(bench.program, bench.hardware)
        """Factors and biases, changed by each measurement."""
        self._bench = bench
        self._paths = LightPaths.of(bench.program)
        self._modes = torch.arange(bench.program.rank)
        self._eye = torch.eye(bench.program.rank, dtype=torch.complex128)
        steps = torch.arange(num_commands, dtype=torch.float64) / num_commands
        self._scan_commands = DriveRange(bench.hardware).largest * steps
        self._scanned = rounded_command(self._scan_commands, bench.hardware)
        self._commands: dict[str, Tensor] = {}
        for mesh in MESHES:
            self._go_to_bar(mesh)

    def measure_attenuators_by_total_power(self) -> None:
        """theta of the attenuators one by one: total power = constant + sin^2(theta/2)."""
        for attenuator in self._modes:
            which = attenuator[None]
            powers = self._scan("sigma", which, [(1.0, self._commands["sigma"])], self._eye)
            self._store_attenuators(which, powers.sum((-2, -1))[..., None])

    def measure_attenuators(self) -> None:
        """theta of all attenuators at once, each by the light on its own mode."""
        powers = self._scan("sigma", self._modes, [(1.0, self._commands["sigma"])], self._eye)
        self._store_attenuators(self._modes, powers.diagonal(dim1=-2, dim2=-1))

    def measure_meshes(self) -> Tensor:
        """One pass over all columns.

        Returns:
            (R, C) [rad] largest change of a bias of V or U.
        """
        before = {mesh: self.estimate.bias[mesh].clone() for mesh in ("V", "U")}
        for mesh in before:
            for column in self.estimate.layouts[mesh].columns():
                weights = self._measure_thetas(mesh, column)
                self._measure_phis(mesh, column, weights)
                self._go_to_bar(mesh)
                for mzi in range(column.mzis.start, column.mzis.stop):
                    self._tell_bar_from_cross(mesh, mzi)
                self._go_to_bar(mesh)
        moved = [signed_phase(self.estimate.bias[mesh] - before[mesh]).abs() for mesh in before]
        return torch.cat(moved, dim=-1).amax(-1)

    def measure_screens(self) -> None:
        """By homodyne: factors of the attenuators' phi and of the V screen, then the U screen."""
        layouts, num_modes = self.estimate.layouts, len(self._modes)
        self._measure_through("sigma", num_modes + self._modes)
        self._measure_through("V", 2 * layouts["V"].num_mzis + self._modes)
        screen = 2 * layouts["U"].num_mzis + self._modes
        fringe = self._measure_through("U", screen)
        self.estimate.bias["U"][..., screen] = 0
        settings = [(1.0, self._commands["U"])]
        rest = self._form_phase(
            "U", screen, settings, self._paths.through, self._paths.through_constant
        )
        self.estimate.bias["U"][..., screen] = signed_phase(fringe.offset - rest)

    def _measure_thetas(self, mesh: str, column: MeshColumn) -> Tensor:
        """theta of a column; (R, C, P, m) how much more light of the upper output arrives."""
        estimate, (upper, lower), (theta, phi) = self.estimate, *self._column(mesh, column)
        flips = torch.cat((phi, self._behind(mesh, theta)))
        settings = [
            (0.5, self._commands[mesh]),
            (0.5, self._flipped(mesh, self._commands[mesh], flips, self._bar(mesh))),
        ]
        powers = self._scan(mesh, theta, settings, self._eye)
        signal = (powers[..., upper, :] - powers[..., lower, :]).movedim(0, -1)
        response = estimate.omega[mesh][theta][:, theta]
        weights = common_weights(self._scanned, signal, response.sum(-1))
        fringe = self._fit((signal * weights[..., None]).sum(-2), response)
        estimate.gamma[mesh][..., theta] = _solve(response, fringe.slope)
        prior = estimate.bias[mesh][..., theta].clone()
        estimate.bias[mesh][..., theta] = 0
        rest = _mean(
            estimate.phases(mesh, command)[..., theta] for command in _unscanned(settings, theta)
        )
        # The signal is -cos theta times a weight of unknown sign.
        at_cross = signed_phase(fringe.offset - rest)
        at_bar = signed_phase(at_cross + math.pi)
        is_cross = signed_phase(at_cross - prior).abs() <= signed_phase(at_bar - prior).abs()
        estimate.bias[mesh][..., theta] = torch.where(is_cross, at_cross, at_bar)
        return torch.where(is_cross[..., None], -weights, weights)

    def _measure_phis(self, mesh: str, column: MeshColumn, weights: Tensor) -> None:
        """phi of a column, from outputs joined with the weights of the theta scan."""
        estimate, (upper, lower), (theta, phi) = self.estimate, *self._column(mesh, column)
        inputs = math.sqrt(0.5) * (self._eye[upper] + self._eye[lower])
        settings = []
        for target, weight in ((math.pi / 2, 0.25), (3 * math.pi / 2, -0.25)):
            targets = self._bar(mesh)
            targets[theta] = target
            every = torch.arange(len(targets))
            half = estimate.settled(mesh, self._commands[mesh], every, targets)
            flipped = self._flipped(mesh, half, self._behind(mesh, theta), targets)
            settings += [(weight, half), (weight, flipped)]
        powers = self._scan(mesh, phi, settings, inputs)
        signal = (powers * weights).sum(-1).movedim(0, -1)
        form = self._paths.interference[mesh][theta]
        response = self._response(mesh, phi, form)
        fringe = self._fit(signal, response)
        estimate.gamma[mesh][..., phi] = _solve(response, fringe.slope)
        estimate.bias[mesh][..., phi] = 0
        constant = self._paths.interference_constant[mesh][theta]
        rest = self._form_phase(mesh, phi, settings, form, constant)
        estimate.bias[mesh][..., phi] = signed_phase(fringe.offset - rest)

    def _tell_bar_from_cross(self, mesh: str, mzi: int) -> None:
        """Correct theta and phi of an MZI by pi where what was taken for bar is cross."""
        layout = self.estimate.layouts[mesh]
        modes = int(layout.mode[mzi]), int(layout.partner[mzi])
        behind = next_on_modes(layout, mzi)
        known = [
            (found, mode) for found, mode in zip(behind, modes, strict=True) if found is not None
        ]
        if len(known) == 2 and known[0][0] == known[1][0]:
            return  # both outputs meet again at once: nothing tells them apart
        inputs = self._eye[list(modes)]
        if known:
            probe, mode = min(known)
            seen = self._modulation(mesh, probe, inputs)
        elif mesh == "V":
            mode = modes[1]
            seen = self._modulation("sigma", mode, inputs)
        else:
            mode = modes[1]
            seen = self._bench.powers(inputs)[..., mode]
        right = seen[..., modes.index(mode)]
        is_wrong = seen.sum(-1) - right > 2 * right
        for shifter in (mzi, layout.num_mzis + mzi):
            bias = self.estimate.bias[mesh][..., shifter]
            turned = signed_phase(bias + math.pi)
            self.estimate.bias[mesh][..., shifter] = torch.where(is_wrong, turned, bias)

    def _modulation(self, mesh: str, shifter: int, inputs: Tensor) -> Tensor:
        """(R, C, K) how much a shifter modulates the light of each input."""
        turn = torch.arange(_QUARTERS, dtype=torch.float64) * (2 * math.pi / _QUARTERS)
        commands = turn[:, None, None].expand(-1, *self._commands[mesh].shape[:-1])
        return self._bench.trial_powers(mesh, shifter, commands, inputs).var(0).sum(-1)

    def _measure_through(self, mesh: str, shifters: Tensor) -> Fringe:
        """Factors of one shifter per mode, by homodyne behind the whole tile; and the fringe."""
        settings = [(1.0, self._commands[mesh])]
        fields = self._scan(mesh, shifters, settings, self._eye, self._bench.fields)
        signal = fields.diagonal(dim1=-2, dim2=-1).movedim(0, -1)
        response = self._response(mesh, shifters, self._paths.through)
        fringe = self._fit(signal, response)
        self.estimate.gamma[mesh][..., shifters] = _solve(response, fringe.slope)
        self._go_to_bar(mesh)
        return fringe

    def _store_attenuators(self, which: Tensor, powers: Tensor) -> None:
        """theta of attenuators from powers (T, R, C, P) that are least at theta = 0."""
        fringe = self._fit(powers.movedim(0, -1), torch.eye(len(which), dtype=torch.float64))
        self.estimate.gamma["sigma"][..., which] = fringe.slope
        self.estimate.bias["sigma"][..., which] = signed_phase(fringe.offset + math.pi)
        self._go_to_bar("sigma")

    def _scan(
        self,
        mesh: str,
        shifters: Tensor,
        settings: _Settings,
        inputs: Tensor,
        read: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """(T, R, C, K, m) weighted sums of readings while shifters take the commands of a scan."""
        read = self._bench.powers if read is None else read
        scan = []
        for scanned in self._scan_commands:
            total = torch.zeros((), dtype=torch.float64)
            for weight, command in settings:
                command = command.clone()
                command[..., shifters] = scanned
                self._bench.set_phases(mesh, command)
                total = total + weight * read(inputs)
            scan.append(total)
        return torch.stack(scan)

    def _fit(self, signal: Tensor, response: Tensor) -> Fringe:
        """Fringes (R, C, P) of signals (R, C, P, T)."""
        return fit_fringe(self._scanned, signal, response.sum(-1), _SPREAD)

    def _response(self, mesh: str, shifters: Tensor, form: Tensor) -> Tensor:
        """(P, P) change of each of P linear forms with the driven phase of each of P shifters."""
        first = self._paths.first[mesh]
        omega = self.estimate.omega[mesh]
        return form[:, first : first + len(omega)] @ omega[:, shifters]

    def _form_phase(
        self, mesh: str, shifters: Tensor, settings: _Settings, form: Tensor, constant: Tensor
    ) -> Tensor:
        """(R, C, P) [rad] linear forms, mean over settings, with some shifters at command 0."""
        phases = []
        for command in _unscanned(settings, shifters):
            parts = []
            for part in MESHES:
                used = command if part == mesh else self._commands[part]
                phase, m = self.estimate.phases(part, used), self.estimate.num_thetas(part)
                from_bar = signed_phase(phase[..., :m] - math.pi)
                parts.append(torch.cat((from_bar, phase[..., m:]), dim=-1))
            phases.append(torch.cat(parts, dim=-1) @ form.mT + constant)
        return _mean(phases)

    def _bar(self, mesh: str) -> Tensor:
        """(M,) [rad] targets of theta."""
        return torch.full((self.estimate.num_thetas(mesh),), math.pi, dtype=torch.float64)

    def _go_to_bar(self, mesh: str) -> None:
        theta = torch.arange(self.estimate.num_thetas(mesh))
        command = torch.zeros_like(self.estimate.bias[mesh])
        self._commands[mesh] = self.estimate.settled(mesh, command, theta, math.pi)
        self._bench.set_phases(mesh, self._commands[mesh])

    def _flipped(self, mesh: str, command: Tensor, shifters: Tensor, targets: Tensor) -> Tensor:
        """Commands with some phases turned by pi, and theta at (M,) targets all the same."""
        command = command.clone()
        command[..., shifters] += math.pi / self.estimate.gamma[mesh][..., shifters]
        return self.estimate.settled(mesh, command, torch.arange(len(targets)), targets)

    def _behind(self, mesh: str, mzis: Tensor) -> Tensor:
        """First shifter behind each of some MZIs that turns one of its outputs."""
        layout = self.estimate.layouts[mesh]
        return torch.tensor([next_shifter(layout, mzi) for mzi in mzis.tolist()])

    def _column(
        self, mesh: str, column: MeshColumn
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """(P,) upper and lower modes, and theta and phi, of the MZIs of a column."""
        layout = self.estimate.layouts[mesh]
        upper = torch.from_numpy(layout.mode[column.mzis].copy())
        lower = torch.from_numpy(layout.partner[column.mzis].copy())
        theta = torch.arange(column.mzis.start, column.mzis.stop)
        return (upper, lower), (theta, layout.num_mzis + theta)


def _unscanned(settings: _Settings, shifters: Tensor) -> list[Tensor]:
    """Commands of settings, with the scanned shifters at 0."""
    return [command.index_fill(-1, shifters, 0.0) for _, command in settings]


def _solve(response: Tensor, slope: Tensor) -> Tensor:
    """(..., P) factors of P shifters that are scanned together, from the slopes of P fringes."""
    return torch.linalg.solve(response, slope[..., None]).squeeze(-1)


def _mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean(0)
