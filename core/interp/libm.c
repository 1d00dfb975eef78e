/* Where kernels find libm: the functions of the process, the same ones CPython calls. */
#include <math.h>

#include "kernels.h"

const pf_libm_table pf_libm = {
    .exp = exp,
    .expm1 = expm1,
    .log = log,
    .log2 = log2,
    .log10 = log10,
    .log1p = log1p,
    .sin = sin,
    .cos = cos,
    .tan = tan,
    .asin = asin,
    .acos = acos,
    .atan = atan,
    .sinh = sinh,
    .cosh = cosh,
    .tanh = tanh,
    .cbrt = cbrt,
    .exp2 = exp2,
    .atan2 = atan2,
    .fmod = fmod,
    .pow = pow,
    .remainder = remainder,
};
