// SPDX-License-Identifier: Apache-2.0
// A library for the program `wide`: code whose unwind tables are large. 32 areas of 64 KiB, one page of a table each,
// with a rule of their own for every ninth byte: some 29 KiB of rows per page. An area is a function that calls the
// function its argument points to and hands it the pointer behind; the rest is never run.
#if !defined(__x86_64__)
#error "areas: no assembly for this processor"
#endif

__asm__(
    ".pushsection .text.areas, \"ax\", @progbits\n"
    ".irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, "
    "27, "
    "28, 29, 30, 31\n"
    ".balign 65536\n"
    ".globl area_\\number\n"
    ".type area_\\number, @function\n"
    "area_\\number:\n"
    "  .cfi_startproc\n"
    "  push %rbx\n"
    "  .cfi_adjust_cfa_offset 8\n"
    "  mov (%rdi), %rax\n"
    "  add $8, %rdi\n"
    "  call *%rax\n"
    "  pop %rbx\n"
    "  .cfi_adjust_cfa_offset -8\n"
    "  ret\n"
    "  .rept 3600\n"
    "  push %rbx\n"
    "  .cfi_adjust_cfa_offset 8\n"
    "  .nops 8\n"
    "  pop %rbx\n"
    "  .cfi_adjust_cfa_offset -8\n"
    "  .nops 8\n"
    "  .endr\n"
    "  .cfi_endproc\n"
    "  .size area_\\number, . - area_\\number\n"
    ".endr\n"
    ".popsection\n");
