// SPDX-License-Identifier: Apache-2.0
#include "textflag.h"

TEXT ·assembly(SB), NOSPLIT, $0-16
	MOVD x+0(FP), R0
	CALL ·twice(SB)
	MOVD R0, ret+8(FP)
	RET

TEXT ·twice(SB), NOSPLIT, $0-0
	ADD R0, R0
	RET
