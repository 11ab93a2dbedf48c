/* SPDX-License-Identifier: Apache-2.0
 * Hand-written functions: one with a type and a size, one with neither, padding between them. */
        .text
        .globl  assembly_sum
        .type   assembly_sum, @function
assembly_sum:
        xorl    %eax, %eax
        testq   %rsi, %rsi
        je      .Ldone
.Lnext: addq    (%rdi), %rax
        addq    $8, %rdi
        decq    %rsi
        jne     .Lnext
.Ldone: call    untyped_helper
        ret
        .size   assembly_sum, . - assembly_sum

        .p2align 6
untyped_helper:
        rolq    $3, %rax
        ret

        .section .note.GNU-stack, "", @progbits
