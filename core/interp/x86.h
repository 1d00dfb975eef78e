/* The x86-64 instructions that emit.c needs, as bytes: vectors of 4 doubles (VEX, AVX2) or 8 (EVEX, AVX-512).
 *
 * The code is a function of three arguments: rdi, the addresses of what it works on, by number; rsi and rdx, the first
 * lane's offset in bytes and that of the lane to stop at. It returns an int. rax is for addresses; nothing else is
 * touched but vector and mask registers, which are the callee's to use. (Intel, Software Developer's Manual, volume 2:
 * sections 2.3 and 2.7.) */
#ifndef PF_INTERP_X86_H
#define PF_INTERP_X86_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { X86_SIZE = 4096 };

typedef struct x86 {
    uint8_t bytes[X86_SIZE];
    size_t n;  /* what does not fit is counted, not written */
    bool wide; /* 512 bits */
} x86;

static inline void x86_byte(x86 *x, unsigned byte)
{
    if (x->n < X86_SIZE) {
        x->bytes[x->n] = (uint8_t)byte;
    }
    x->n++;
}

static inline void x86_int32(x86 *x, int32_t value)
{
    for (int shift = 0; shift < 32; shift += 8) {
        x86_byte(x, (uint32_t)value >> shift & 255);
    }
}

/* Opcode maps. */
enum { X86_0F = 1, X86_0F38 = 2, X86_0F3A = 3 };

/* Prefix and opcode of an operation on vectors of doubles: d, a, and a third operand that is register `b`, or in memory
 * (b < 0). mask: 0, or the mask register that chooses among lanes; 512 bits only. */
static inline void x86_vector(x86 *x, int map, unsigned opcode, int d, int a, int b, int mask)
{
    const unsigned r = ~(unsigned)d, v = ~(unsigned)a, rm = b < 0 ? ~0u : ~(unsigned)b;
    if (x->wide) {
        x86_byte(x, 0x62);
        x86_byte(x, (r >> 3 & 1) << 7 | (rm >> 4 & 1) << 6 | (rm >> 3 & 1) << 5 | (r >> 4 & 1) << 4 | (unsigned)map);
        x86_byte(x, 1u << 7 | (v & 15) << 3 | 1u << 2 | 1); /* W is 1 for all operations on doubles */
        x86_byte(x, 2u << 5 | (v >> 4 & 1) << 3 | (unsigned)mask);
    } else {
        x86_byte(x, 0xc4);
        x86_byte(x, (r >> 3 & 1) << 7 | 1u << 6 | (rm >> 3 & 1) << 5 | (unsigned)map);
        x86_byte(x, (v & 15) << 3 | 1u << 2 | 1);
    }
    x86_byte(x, opcode);
}

static inline void x86_registers(x86 *x, int d, int b)
{
    x86_byte(x, 3u << 6 | ((unsigned)d & 7) << 3 | ((unsigned)b & 7));
}

/* rax = address number `place` */
static inline void x86_address(x86 *x, int place)
{
    x86_byte(x, 0x48);
    x86_byte(x, 0x8b);
    x86_byte(x, 0x87);
    x86_int32(x, 8 * place);
}

static inline void x86_at_lane(x86 *x, int reg) /* [rax + rsi] */
{
    x86_byte(x, ((unsigned)reg & 7) << 3 | 4);
    x86_byte(x, 0x30);
}

static inline void x86_load(x86 *x, int d, int place)
{
    x86_address(x, place);
    x86_vector(x, X86_0F, 0x10, d, 0, -1, 0);
    x86_at_lane(x, d);
}

static inline void x86_store(x86 *x, int reg, int place)
{
    x86_address(x, place);
    x86_vector(x, X86_0F, 0x11, reg, 0, -1, 0);
    x86_at_lane(x, reg);
}

/* Every lane of d becomes the one double at a place. */
static inline void x86_broadcast(x86 *x, int d, int place)
{
    x86_address(x, place);
    x86_vector(x, X86_0F38, 0x19, d, 0, -1, 0);
    x86_byte(x, ((unsigned)d & 7) << 3); /* [rax] */
}

enum { X86_ADD = 0x58, X86_MUL = 0x59, X86_SUB = 0x5c, X86_DIV = 0x5e, X86_XOR = 0x57 };

static inline void x86_arith(x86 *x, unsigned op, int d, int a, int b)
{
    x86_vector(x, X86_0F, op, d, a, b, 0);
    x86_registers(x, d, b);
}

static inline void x86_sqrt(x86 *x, int d, int a)
{
    x86_vector(x, X86_0F, 0x51, d, 0, a, 0);
    x86_registers(x, d, a);
}

/* Comparisons that a NaN makes false, but for the last one. None of them signals. */
enum { X86_EQ = 0x00, X86_LT = 0x11, X86_LE = 0x12, X86_GE = 0x1d, X86_GT = 0x1e, X86_NE = 0x04 };

/* The lanes where it holds: of 512 bits in mask register d, else as lanes of ones in vector register d. */
static inline void x86_compare(x86 *x, unsigned predicate, int d, int p, int q)
{
    x86_vector(x, X86_0F, 0xc2, d, p, q, 0);
    x86_registers(x, d, q);
    x86_byte(x, predicate);
}

/* d = p <predicate> q ? yes : no. spare: a register that may be lost; looked at for 256 bits only. */
static inline void x86_choose(x86 *x, unsigned predicate, int d, int p, int q, int yes, int no, int spare)
{
    const int mask = x->wide ? 1 : spare;
    x86_compare(x, predicate, mask, p, q);
    if (x->wide) {
        x86_vector(x, X86_0F38, 0x65, d, no, yes, mask);
        x86_registers(x, d, yes);
    } else {
        x86_vector(x, X86_0F3A, 0x4b, d, no, yes, 0);
        x86_registers(x, d, yes);
        x86_byte(x, (unsigned)spare << 4);
    }
}

static inline void x86_bytes(x86 *x, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x86_byte(x, bytes[i]);
    }
}
#define X86_BYTES(x, ...) x86_bytes(x, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Goes on at `loop` with the next lanes while there are any. */
static inline void x86_repeat(x86 *x, size_t loop)
{
    X86_BYTES(x, 0x48, 0x83, 0xc6, x->wide ? 64 : 32); /* add rsi, ... */
    X86_BYTES(x, 0x48, 0x39, 0xd6, 0x0f, 0x82);        /* cmp rsi, rdx; jb ... */
    x86_int32(x, (int32_t)loop - (int32_t)(x->n + 4));
}

/* The result is not zero if some lane of `signs` is negative; zero is zeros. */
static inline void x86_result(x86 *x, int signs, int zero)
{
    if (x->wide) {
        x86_compare(x, X86_LT, 1, signs, zero);
        X86_BYTES(x, 0xc5, 0xf9, 0x93, 0xc1); /* kmovb eax, k1 */
    } else {
        x86_vector(x, X86_0F, 0x50, 0, 0, signs, 0); /* vmovmskpd eax, ... */
        x86_registers(x, 0, signs);
    }
}

static inline void x86_return(x86 *x)
{
    X86_BYTES(x, 0xc5, 0xf8, 0x77, 0xc3); /* vzeroupper; ret */
}

#endif
