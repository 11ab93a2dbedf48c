// SPDX-License-Identifier: Apache-2.0
#include "textflag.h"

TEXT ·assembly(SB), NOSPLIT, $0-16
	MOVQ x+0(FP), AX
	CALL ·twice(SB)
	MOVQ AX, ret+8(FP)
	RET

TEXT ·twice(SB), NOSPLIT, $0-0
	ADDQ AX, AX
	RET
