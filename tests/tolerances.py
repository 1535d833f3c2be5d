"""The one table of tolerances; every bound of the suite is a name from here.

Multiples of eps are in units of ``torch.finfo(dtype).eps`` of the real dtype under test.
"""

# Photonic identities, in eps.
MZI_EPS = 8  # 2 x 2 algebra; measured 2.2
MESH_EPS = 16  # rebuild and propagation, largest entry; measured at most 10 for N <= 128
LONG_PATH_EPS = 24  # near-degenerate triangle of 256 modes, paths of 509 blocks; measured 17.5
WEIGHT_EPS = 64  # mapped weight, relative to its scale; the residual of LAPACK's SVD reaches 31
PRINTED = 1e-3  # entry of a matrix rebuilt from one printed with 4 digits; measured below 3e-4
UNITARITY_EPS = 64  # largest entry of U^H U - 1; measured at most 12

# Predictions.
INVARIANCE_F64 = 1e-10  # relative; e3nn starts at 1e-9, tightened
INVARIANCE_F32 = 1e-5  # relative; canonicalisation stays in float64
IDEAL_CHIP_F64 = 1e-12  # mapped against digital prediction, relative
IDEAL_CHIP_F32 = 1e-5

# Statistics of random draws, relative.
CLOSED_FORM = 0.05  # sampled against closed-form errors with >= 200 draws
STANDARD_ERRORS = 5  # for means with a known standard error
PAIRED_SHARE = 0.1  # upper bound of paired over unpaired intervals of chips; measured 0.042

# Data files.
STORED_DIGITS = 1e-5  # shared copies carry 5 decimals
SHORTEST_DISTANCE = 0.745  # Angstrom; the published 0.75 is 0.7481, H-H in formation mp-696588
STORED_VOLUME = 1e-4  # Angstrom^3 per atom; records of training sets carry 4 decimals

# Crystals, elements and the tree baseline.
STRUCTURE_EPS = 8  # Cartesian coordinates through pymatgen, relative to the largest
STANDARDISED_F64 = 1e-12  # mean 0 and deviation 1 of element features of the order of 1e3
CLOSED_FORM_F64 = 1e-12  # closed forms in float64, relative
BASELINE_PUBLISHED = 0.05  # relative to the published errors; seeds scatter by 3 %

# Chips.
FLICKER_SPECTRUM = 0.12  # relative to 1/omega; analytic, largest 0.107 at both ends
DRIVE_EPS = 16  # phase -> voltage -> phase, relative to the largest phase; a square and a root
COMPENSATION = 1e-12  # [rad] crosstalk of pre-compensated commands; sparse solve of S <= 1000
REBUILD_F64 = 1e-12  # relative; weights from stored phases or voltages, no rounding between
FINE_STEP = 0.5  # codes; a rounded value lies within half a step
DEVICE_FIT = 0.004  # published crosstalk curve against the published points; measured 0.0032
NEGLIGIBLE_HEAT = 2e-12  # two entries of g below 1e-12 may be missing, for a coupling of at most 1
LEAK_EPS = 8  # of a leaking amplitude; it adds to an angle as it is
SIX_BITS = 0.1  # relative, upper bound; errors of some steps of 1/31, where signs cancel
EIGHT_BITS = 0.05  # relative, upper bound of gradients; steps of 1/127 through two converters
STEP_SLACK = 1e-9  # codes; rounding of the division by the step, up to 2^32 codes

# Crystal network.
EXACT_METRIC = 1e-5  # relative metric tolerance for exact prototypes
EXACT_POSITION = 1e-5  # Angstrom; symmetry search on exact prototypes, lengths after long skews
WRITTEN_POSITION = 1e-3  # Angstrom; coordinates and cells of 50 Angstrom with six decimals
ROUND_TRIP = 1e-5  # standardised predictions of crystals written with 7 to 16 digits
GEOMETRY_F64 = 1e-9  # Angstrom or cells; integer changes of basis with entries up to a few 100
FRAME_F64 = 1e-12  # rotations of well-conditioned lattices; measured 2e-15
ROTATION_EPS = 16  # largest entry of R R^T - 1 and of det R - 1; measured 7
EXACT_TIE = 1e-6  # Angstrom; distances of exact prototypes that count as equal
HARMONICS_EPS = 32  # |Y|^2 and Y(a).Y(b), values up to 5; measured 24
NO_OP_F64 = 1e-12  # relative; a frame that cancels exactly; measured 2e-15
VISIBLE = 1e-8  # relative; an effect that a comparison must not miss; measured from 4e-5 on
BROKEN_FRAME = 1e-8  # relative, lower bound; a wrong global frame; measured from 3e-5 on
BROKEN_OVER_CORRECT = 1e4  # lower bound of a broken over the correct spread, both measured
BROKEN_EDGES = 1e-3  # relative, lower bound; self-image edges twice in a supercell
BASIS_KEYS = 1e-13  # keys of order one, sums over a few sites
STORED_INVARIANCE = 1e-6  # relative; stored crystals hold equal sites to 1e-6 Angstrom
STORED_SHARE = 0.99  # lower bound; the rest sits on the edge of a tolerance
RADIAL_EPS = 16  # 256 Gaussians of a length, projected; measured 1
SINGLE_PRECISION = 1e-4  # relative; float32 against float64, small outputs included; measured 3e-5

# Peers.
PEER_ANGLE_EPS = 128  # converted phases and their meshes; sums of phases, measured 38
PEER_REBUILD_EPS = 128  # decompositions by interferometer, N <= 10; measured 65, in crosses
PEER_SEARCH = 1e-7  # largest entry; Perceval minimises to 1e-6 squared; measured 1.3e-8
WRONG_CONVENTION = 0.1  # lower bound, largest entry; another convention; measured from 0.17 on

# Moments and sensitivities.
KS_STATISTIC = 2.5  # sqrt(n) times the largest gap; exceeded with probability 7e-6
CORRECTED_ERROR = 0.1  # relative, sampled E_c; a few clipped MZIs carry it, 150 draws give 2-3 %
MOMENTS_F32 = 3e-5  # relative; exact moments of up to 100 shifters in float32
FINITE_DIFFERENCE = 1e-6  # relative; central differences of exact moments in float64
SENSITIVITY_MEMORY_MB = 1000  # peak of a process, 256 x 256 weights on 16 x 16 tiles; measured 630
SAME_PHASE = 1e-11  # [rad]; settings of weights that differ by rounding; measured 3e-13

# Photonic layers and fits.
FIT_F64 = 1e-13  # relative error E of a reachable target; measured 2e-15 for N <= 32
FIT_EVALUATIONS = 30  # upper bound with an exact Jacobian, quadratic at the end; measured 18
FOLD_EPS = 128  # folded settings of up to 20 rad, 2 eps each before; measured 38 for N <= 16
EASED = 0.5  # upper bound of the loss after a few steps, relative to its start; measured 0.18

# Compiled kernels.
SINE_BIAS_EPS = 0.02  # mean of sin^2 + cos^2 - 1; measured 0.005
SINE_SCATTER_EPS = 0.1  # lower bound of its deviation, or the mean says nothing
PEAK_SLACK = 0.3  # relative; pages and allocator around a known 96 MB
SINE_EPS = 1  # absolute, of values up to 1; measured 0.72
# Gradients of meshes.
GRADIENT_EPS = 128  # of gradients up to about 1, or relative; sums over up to 1,100 fields

# Calibration.
CHARACTERISED = 1e-6  # relative weight error without noise; measured 3e-7, each pass squares it
READ_NOISE_FACTOR = 2.0  # upper bound of the weight error over the noise of a reading; measured 0.8
FRINGE_F64 = 1e-9  # slope, offset and amplitude of a fringe without noise
LEARNED = 0.7  # upper bound of the output error after learning over that before; measured 0.52
IDENTITY_LOSS = 1e-3  # mean square deviation of powers from the identity; measured below 1e-4
STRAIGHT = 0.99  # lower bound of amplitudes that stay in their mode; measured 0.998
POWER_LAW = 0.25  # exponent of an error over a factor of 2, 100 draws; clipping is rare and large
EXACT_CORRECTION = 1e-11  # E of corrected couplers where no MZI clips; near 0 a root amplifies
MODEL_FIT = 2e-3  # relative weight error after 300 steps on known errors; measured below 2e-4
MODEL_FIT_GAIN = 0.1  # upper bound of that over the error before, so that the test can fail

# Fidelity of published chips.
PRESET_DIGIT = 0.0005  # [rad]; presets print three decimals
QUADRATURE = 1e-6  # relative; far below the Monte Carlo error
FIDELITY_ROUND_TRIP = 1e-6  # relative; eps over the slope of the fidelity, smallest at 1e-3 rad
PRECISE_FIDELITY = 0.01  # upper bound of the relative standard error of 2,000 draws; measured 0.005
ERROR_SCATTER = 0.2  # relative; standard errors of 500 draws with long tails; measured 0.06
EDGE_SUM_EPS = 64  # relative to the largest entry; sums over about 10 edges, fused arithmetic
EXPONENTIAL_EPS = 4  # relative; series and a few roundings, measured 2

# Exported meshes in other programs; torchonn, whose layers are float32.
SCRIPT_STEP = 1e-5  # V or mA; last decimal of a driver script
EXPORTED_MATRIX = 1e-9  # largest entry; measured 1.1e-15, N <= 16
TORCHONN_F32 = 1e-6  # relative, outputs of a layer; measured 5e-7

# Files of the user.
FILE_DECIMALS = 2e-6  # small files of tests/data carry six decimals, or more
DRAWN_COLOUR = 1e-12  # channel of a colour, from 0 to 1; the map has 256 steps
SYMMETRY_SHARE = 0.96  # lower bound; as many classes of bases as spglib finds, 99.6 % of all

# Chip bundles.
POWER_DIGIT = 1e-8  # [W]; currents are written to 1 nA, at up to 10 V, and powers to 1 nW
LAW_EPS = 64  # of the sum of the terms of a law; inverse and back, measured 4
READER_MEMORY_FACTOR = 2  # upper bound of the peak memory of a reader over the bytes of its files

# Training.
BRAIN_FLOAT_LOSS = 0.02  # relative; loss after two epochs, products of 8 bits; measured below 0.02
RANKS_F32 = 1e-4  # relative weights after two epochs by 2 processes or 1; measured below 2e-5
RANKS_LOSS = 1e-6  # relative loss of the same epochs; measured 2e-8
RANKS_METRIC = 1e-3  # relative validation error; running means lag behind biases; measured 7e-5
OPTICAL_F32 = 1e-5  # relative outputs of an optical network and its digital twin in float32
NOOP_SHARE = 0.01  # published shares of crystals without an effect of frames are whole percents
TIE_RAD = 1e-9  # [rad]; branches one turn apart, and a phase at the end of its reach
PHASE_BACK = 1e-11  # [rad]; phases of up to 25 rad through a law and back, and sums of neighbours
POWER_STEP = 2e-6  # [mW]; difference of two powers that are written to 1 nW

# Symmetry command.
SHORTEST_RANDOM = 1.6  # Angstrom; random cells are refused below, so that all give a graph
PHASE_ERROR = 1e-14  # relative; weights of the shipped model from phases or volts, measured 4.7e-15
EXPORTED_CODES = 1e-3  # relative, upper bound from 16-bit codes; measured 4.1e-4
