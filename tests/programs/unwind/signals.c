// SPDX-License-Identifier: Apache-2.0
// burn ← in_handler ← handler ← libc's return from a signal ← faults_at_entry ← calls_fault ← main, with the handler on
// the stack that was interrupted or on one of its own. The interrupted address is the first byte of `faults_at_entry`:
// it is no return address, and one byte before it stands another function.
#include <ucontext.h>

#include "tests/programs/unwind/chain.h"

#if !defined(__x86_64__)
#error "signals: no faulting function for this processor"
#endif

FRAME void burn(void) { BURN(); }

void faults_at_entry(void);
__asm__(
    ".pushsection .text\n"
    ".type stands_before, @function\n"
    "stands_before: .cfi_startproc\n"
    "  subq $64, %rsp\n"
    "  .cfi_def_cfa_offset 72\n"
    "  ud2\n"
    "  .cfi_endproc\n"
    ".size stands_before, . - stands_before\n"
    ".globl faults_at_entry\n"
    ".type faults_at_entry, @function\n"
    "faults_at_entry: .cfi_startproc\n"
    "  ud2\n"
    "  ret\n"
    "  .cfi_endproc\n"
    ".size faults_at_entry, . - faults_at_entry\n"
    ".popsection\n");

FRAME void in_handler(void) {
  burn();
  STAY_IN_FRAME();
}

FRAME void handler(int number, siginfo_t* info, void* context) {
  (void)number;
  (void)info;
  in_handler();
  ((ucontext_t*)context)->uc_mcontext.gregs[REG_RIP] += 2;  // goes on behind ud2
}

FRAME void calls_fault(void) {
  char local[24];
  __asm__ volatile("" : : "r"(local) : "memory");
  faults_at_entry();
  STAY_IN_FRAME();
}

int main(int argc, char** argv) {
  const char* usage = "signals CPU-MILLISECONDS same|own";
  const int milliseconds = NumberArgument(argc, argv, 1, usage);
  const bool own_stack = argc > 2 && strcmp(argv[2], "own") == 0;
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  if (own_stack) {
    static char memory[64 << 10];
    const stack_t stack = {.ss_sp = memory, .ss_size = sizeof(memory)};
    if (sigaltstack(&stack, NULL) != 0) Die("sigaltstack");
    action.sa_flags |= SA_ONSTACK;
  }
  if (sigaction(SIGILL, &action, NULL) != 0) Die("sigaction");
  struct Budget budget = StartBudget(milliseconds);
  while (HasBudget(&budget)) calls_fault();
  Report("signals", SpentNs(&budget));
}
