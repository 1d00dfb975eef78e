/* CPython bytecode behind one decoder.
 *
 * pf_decode turns a code object of the running CPython (3.11, 3.12, 3.13) into canonical instructions (bytecode.def)
 * that mean the same on every version, and mostly *are* the same: what the compilers of the three versions do
 * differently is undone here, so that ext/build and ext/effects are written once. What is normalised:
 *
 *   - The stack holds no NULLs. PUSH_NULL does not exist, LOAD_GLOBAL pushes one value. A CALL says how it calls:
 *        sub PF_CALL_PLAIN    stack: callable, arg 0 ... arg n-1
 *        sub PF_CALL_METHOD   stack: method, self, arg 0 ... arg n-1, where (method, self) were pushed by a
 *                             LOAD_METHOD (or LOAD_SUPER_METHOD); n does not count self. CPython calls
 *                             method(self, *args) if the attribute is a plain method of type(self), and
 *                             attribute(*args) if it is anything else, e.g. `math.sqrt(x)`.
 *     arg is n, keywords included; arg2 is the constant index of the tuple of keyword names (they are the last
 *     arguments), or -1. Calls on an explicit first argument (a comprehension's iterator, AssertionError's message)
 *     are PLAIN with that argument counted.
 *   - Branches are two: POP_JUMP_IF_FALSE and POP_JUMP_IF_NONE. The first tests the truth of any value, so TO_BOOL
 *     before a branch or `not` is gone. JUMP_IF_x_OR_POP is COPY 1, branch, POP_TOP.
 *   - FOR_ITER falls through with iterator, item; at its target the iterator is gone. END_FOR does not exist.
 *   - RETURN_CONST is LOAD_CONST, RETURN_VALUE. Fused loads and stores are split. NOP, RESUME, CACHE, EXTENDED_ARG,
 *     PRECALL, KW_NAMES, COPY_FREE_VARS and the prologue of generators are gone. FORMAT_VALUE is CONVERT_VALUE,
 *     FORMAT_SIMPLE or FORMAT_WITH_SPEC. BUILD_SLICE 2 + BINARY_SUBSCR is BINARY_SLICE, and STORE_SUBSCR likewise.
 *   - LOAD_FAST covers LOAD_FAST_CHECK: reading an unbound local raises, so the reader must know that it is bound.
 *     A raw load of a cell's slot is LOAD_CLOSURE.
 *   - Code is laid out in reverse post-order from the entry: every edge goes forward except those flagged
 *     PF_INSTR_BACK: loops, and the way back from a handler. The compiler's graphs are reducible. The fall-through
 *     successor of a branch is the true (not None, has item) one. A short exit (at most five instructions, then out by
 * return or raise) is repeated at every edge that leads to it. Code that nothing reaches is gone.
 *   - Exception handlers are code flagged PF_INSTR_HANDLER, laid out last, found through pf_instr.handler. The
 *     handler that 3.12+ wraps around every generator body (StopIteration becomes RuntimeError) is left out.
 *
 * What stays different between versions, because the code really differs: comprehensions (a nested function in 3.11,
 * inlined since 3.12, with LOAD_FAST_AND_CLEAR and a handler), zero-argument super() (LOAD_SUPER_ATTR since 3.12),
 * `a and b or c` used as a value (3.11 tests a once, later versions twice), computed format specs,
 * the order of constants and names, and which constants the compiler folds.
 *
 * Nothing here runs user code or raises an audit event: only C fields and PyCode_GetCode (which undoes
 * specialisation and instrumentation) are read. All functions need the GIL. */
#ifndef PF_EXT_DECODE_H
#define PF_EXT_DECODE_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum pf_bc {
#define BC(name, pops, pushes, klass) PF_BC_##name,
#include "bytecode.def"
#undef BC
    PF_BC_COUNT
} pf_bc;

/* The classes of bytecode.def. */
typedef enum pf_bc_class {
    PF_CLASS_STACK,
    PF_CLASS_READ,
    PF_CLASS_OPERAND,
    PF_CLASS_FRESH,
    PF_CLASS_MUTATE,
    PF_CLASS_FLOW,
    PF_CLASS_CALL,
    PF_CLASS_EXCEPT,
    PF_CLASS_YIELD,
    PF_CLASS_WRITE,
    PF_CLASS_FOREIGN
} pf_bc_class;

/* pf_instr.sub of BINARY_OP; pf_instr.arg is 1 for the in-place form. */
typedef enum pf_binop {
    PF_BINOP_ADD,
    PF_BINOP_AND,
    PF_BINOP_FLOORDIV,
    PF_BINOP_LSHIFT,
    PF_BINOP_MATMUL,
    PF_BINOP_MUL,
    PF_BINOP_MOD,
    PF_BINOP_OR,
    PF_BINOP_POW,
    PF_BINOP_RSHIFT,
    PF_BINOP_SUB,
    PF_BINOP_TRUEDIV,
    PF_BINOP_XOR,
    PF_BINOP_COUNT
} pf_binop;

/* pf_instr.sub of COMPARE, numbered as Py_LT ... Py_GE. */
typedef enum pf_cmp { PF_CMP_LT, PF_CMP_LE, PF_CMP_EQ, PF_CMP_NE, PF_CMP_GT, PF_CMP_GE, PF_CMP_COUNT } pf_cmp;

/* pf_instr.sub of CALL. */
enum { PF_CALL_PLAIN = 0, PF_CALL_METHOD = 1 };

/* pf_instr.flags */
enum {
    PF_INSTR_BACK = 1,    /* target <= own index: a loop's back edge, or the way back from a handler */
    PF_INSTR_HANDLER = 2, /* reached only through an exception */
    PF_INSTR_LEADER = 4   /* control can arrive here other than by falling through from the instruction before */
};

typedef struct pf_instr {
    uint8_t op;      /* pf_bc */
    uint8_t sub;     /* see bytecode.def */
    uint16_t flags;  /* PF_INSTR_... */
    int32_t arg;     /* see bytecode.def; 0 where it has none */
    int32_t arg2;    /* see bytecode.def; 0 where it has none */
    int32_t target;  /* index of the jump target, -1 if this is no jump */
    int32_t handler; /* index into pf_code.handlers of what catches an exception raised here, -1 if nothing does */
    int32_t depth;   /* values on the stack before this instruction */
    int32_t lasti;   /* byte offset in co_code of the raw instruction this came from */
} pf_instr;

typedef struct pf_handler {
    int32_t target; /* index of the first instruction */
    int32_t depth;  /* the stack is cut to this depth, ... */
    bool lasti;     /* ... the offset of the raising instruction is pushed when this is set, then the exception */
} pf_handler;

typedef struct pf_code {
    PyCodeObject *code; /* borrowed: the caller keeps it alive as long as this */
    pf_instr *instrs;
    int n;
    pf_handler *handlers;
    int nhandlers;
    int max_depth;
    int nlocalsplus; /* parameters, locals, cells, free variables share one index space */
    int nfree;       /* the last nfree of them are free variables, in the order of the function's closure */
    int npos;        /* positional parameters, positional-only ones included: locals 0 ... npos-1 */
    int nposonly;
    int nkwonly; /* locals npos ... npos+nkwonly-1; then *args, then **kwargs, if the flags say so */
    bool varargs;
    bool varkeywords;
    bool is_generator; /* a plain generator: runs to its first YIELD_VALUE when pulled */
    bool is_async;     /* coroutine or async generator */
    bool is_genexpr;   /* a plain generator expression: one parameter, its iterator, local 0 (".0") */
    bool has_unknown;  /* some reachable instruction is UNKNOWN */
} pf_code;

/* Whether the running interpreter has a table here. When not, pf_decode gives one UNKNOWN instruction. */
bool pf_decode_supported(void);

/* Decodes code. 0, or -1 with MemoryError set. What the tables do not know becomes UNKNOWN, never an error.
 * *out belongs to the caller, who gives it back with pf_decode_free; it holds no references. */
int pf_decode(PyCodeObject *code, pf_code **out);
void pf_decode_free(pf_code *decoded); /* NULL is allowed */

/* What stands in a code object, reached or not, for those who want no more than that. */
typedef struct pf_code_counts {
    int loops, yields, branches; /* for_iter; yield_value; jumps that depend on a value */
} pf_code_counts;
int pf_code_count(PyCodeObject *code, pf_code_counts *out); /* -1: no memory, an exception is set */

/* Borrowed references; NULL without an exception when the index is out of range. */
PyObject *pf_code_const(const pf_code *decoded, int index);
PyObject *pf_code_name(const pf_code *decoded, int index);  /* names of globals and attributes */
PyObject *pf_code_local(const pf_code *decoded, int index); /* names of localsplus slots */

bool pf_code_is_cell(const pf_code *decoded, int index);    /* the slot holds a cell made by this function */
bool pf_code_is_free(const pf_code *decoded, int index);    /* the slot holds a cell of the closure */
int pf_code_free_number(const pf_code *decoded, int index); /* its position in the function's closure tuple */

/* Where a generator suspended at byte offset lasti (as gi_frame.f_lasti says) goes on: the index after that yield.
 * -1 if no plain yield is there. A generator that has not started goes on at 0. */
int pf_code_resume(const pf_code *decoded, int lasti);

/* Source position of an instruction: lines from 1, columns from 0 in UTF-8 bytes; -1 where unknown. */
typedef struct pf_position {
    int line, col, end_line, end_col;
} pf_position;
pf_position pf_code_position(const pf_code *decoded, int index);

/* Values popped and pushed by an instruction, on its jump edge when jump is set. */
void pf_instr_effect(const pf_instr *instr, bool jump, int *pops, int *pushes);

const char *pf_bc_name(int op); /* "LOAD_FAST"; static, never NULL */
pf_bc_class pf_bc_class_of(int op);
const char *pf_binop_text(int binop); /* "+"; static, never NULL */
const char *pf_cmp_text(int cmp);     /* "<"; static, never NULL */

#endif
