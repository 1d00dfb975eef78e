/* The table of the running version, chosen when the extension is compiled. A version without a table gets an empty
 * one: everything it decodes is UNKNOWN, and pf_decode_supported says no. */
#include "decode_internal.h"

#include <opcode.h>

#define RAW(opcode, caches, action, op, aux) [opcode] = {RAW_##action, caches, op, aux},

const pf_raw_entry pf_raw_table[256] = {
#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030C0000
#include "decode_311.def"
#elif PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000
#include "decode_312.def"
#elif PY_VERSION_HEX >= 0x030D0000 && PY_VERSION_HEX < 0x030E0000
#include "decode_313.def"
#else
    [0] = {RAW_UNKNOWN, 0, 0, 0}
#endif
};

#undef RAW
