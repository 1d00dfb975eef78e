/* Why purefold hands out the plain builtins: what `_engine._unsupported` may say. */
#ifndef PF_ASIDE_H
#define PF_ASIDE_H

#define PF_ASIDE_NO_TABLE "This Python version has no bytecode table yet; 3.11, 3.12 and 3.13 have."
#define PF_ASIDE_NO_GIL "Builds without the GIL run plain for now."
#define PF_ASIDE_SUBINTERPRETER "Sub-interpreters run plain."

#endif
