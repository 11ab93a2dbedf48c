// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/derive_moves.h"

#include <Zydis/Zydis.h>

#include <algorithm>

#include "symbolizer/unwind/derive_sweep.h"

namespace kiln::symbolizer {
namespace {

// What an instruction does, sets of general registers as bits.
struct Use {
  uint32_t at;
  uint32_t end;
  uint16_t reads = 0;      // as data
  uint16_t addresses = 0;  // in the addresses of memory that it reads or writes
  uint16_t loads_by = 0;   // in the addresses of memory that it reads
  uint16_t writes = 0;
  uint16_t replaces = 0;  // those of `writes` of which nothing is left
  bool stores = false;
  bool is_opaque = false;  // calls, or stores what isn't in a general register
};

uint16_t BitOf(ZydisRegister reg) {
  const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
  if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15) return 0;
  return static_cast<uint16_t>(1u << (whole - ZYDIS_REGISTER_RAX));
}

bool IsZeroing(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands) {
  return (instruction.mnemonic == ZYDIS_MNEMONIC_XOR || instruction.mnemonic == ZYDIS_MNEMONIC_SUB) &&
         operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER && operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
         operands[0].reg.value == operands[1].reg.value;
}

void AddRegister(const ZydisDecodedOperand& operand, Use& use) {
  const uint16_t bit = BitOf(operand.reg.value);
  if ((operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0) use.reads |= bit;
  if ((operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) == 0) return;
  use.writes |= bit;
  if (operand.size >= 32 && (operand.actions & ZYDIS_OPERAND_ACTION_CONDWRITE) == 0) use.replaces |= bit;
}

void AddMemory(const ZydisDecodedOperand& operand, Use& use) {
  const auto registers = static_cast<uint16_t>(BitOf(operand.mem.base) | BitOf(operand.mem.index));
  if (operand.mem.type == ZYDIS_MEMOP_TYPE_AGEN) {
    use.reads |= registers;
    return;
  }
  use.addresses |= registers;
  if ((operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0) use.loads_by |= registers;
  use.stores = use.stores || (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
}

class Decoder {
 public:
  explicit Decoder(std::span<const std::byte> code) : code_(code) {
    ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  }

  std::vector<Use> Decode(uint32_t begin, uint32_t end) const {
    std::vector<Use> uses;
    end = std::min<uint32_t>(end, static_cast<uint32_t>(code_.size()));
    for (uint32_t at = begin; at < end;) {
      ZydisDecodedInstruction instruction;
      ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
      if (ZYAN_FAILED(
              ZydisDecoderDecodeFull(&decoder_, code_.data() + at, code_.size() - at, &instruction, operands))) {
        uses.push_back({.at = at, .end = at + 1, .is_opaque = true});
        break;
      }
      uses.push_back(UseOf(instruction, operands, at));
      at += instruction.length;
    }
    return uses;
  }

 private:
  static Use UseOf(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands, uint32_t at) {
    Use use{.at = at, .end = at + instruction.length};
    bool other_register = false;
    for (size_t i = 0; i < instruction.operand_count; ++i) {
      const ZydisDecodedOperand& operand = operands[i];
      if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) AddMemory(operand, use);
      if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
      AddRegister(operand, use);
      other_register =
          other_register || (operand.visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN && BitOf(operand.reg.value) == 0);
    }
    if (IsZeroing(instruction, operands)) use.reads = 0;
    if (instruction.meta.category == ZYDIS_CATEGORY_CALL) {
      use.is_opaque = true;
      use.writes |= kCallerSaved;
      use.reads |= 1u << kRsp;
    }
    use.is_opaque = use.is_opaque || (use.stores && other_register) || instruction.mnemonic == ZYDIS_MNEMONIC_SYSCALL;
    return use;
  }

  std::span<const std::byte> code_;
  ZydisDecoder decoder_;
};

// Registers that may hold an address made from the stack pointer, or what was loaded through one, anywhere in the
// function.
uint16_t FindStackRegisters(const std::vector<std::vector<Use>>& function) {
  uint16_t stack = 1u << kRsp | 1u << kRbp;
  for (uint16_t before = 0; before != stack;) {
    before = stack;
    for (const std::vector<Use>& uses : function) {
      for (const Use& use : uses) {
        if (((use.reads | use.loads_by) & stack) != 0) stack |= use.writes;
      }
    }
  }
  return stack;
}

// What may still happen from a place on to the end of the move.
struct Ahead {
  bool ends = false;    // the move may end
  bool loads = false;   // the return address may be loaded
  uint16_t stored = 0;  // registers whose present values may be stored
  bool operator==(const Ahead&) const = default;
  void operator|=(const Ahead& other) {
    ends = ends || other.ends;
    loads = loads || other.loads;
    stored |= other.stored;
  }
  bool NothingIsMoved() const { return ends && !loads && stored == 0; }
};

class Moves {
 public:
  Moves(const Decoder& decoder, std::span<const MovingBlock> blocks, uint16_t stack)
      : blocks_(blocks), stack_(stack), ahead_(blocks.size()) {
    for (const MovingBlock& block : blocks) uses_.push_back(decoder.Decode(block.begin, block.end));
  }

  std::vector<MovingPlaces> Run() {
    std::vector<MovingPlaces> places(blocks_.size());
    while (LookAhead(places)) {
    }
    FindMoved(places);
    FindStale(places);
    return places;
  }

 private:
  // From the ends of the blocks to their beginnings. True if something changed.
  bool LookAhead(std::vector<MovingPlaces>& places) {
    bool changed = false;
    for (size_t i = blocks_.size(); i-- > 0;) {
      Ahead ahead;
      places[i].moved_from = UINT32_MAX;
      const auto add_edges = [&](uint32_t behind) {
        for (const auto& [at, to] : blocks_[i].edges) {
          if (at == behind) ahead |= to == kMoveEnd ? Ahead{.ends = true} : ahead_[to];
        }
      };
      if (uses_[i].empty()) add_edges(blocks_[i].begin);
      for (auto use = uses_[i].rbegin(); use != uses_[i].rend(); ++use) {
        add_edges(use->end);
        Before(*use, ahead);
        if (ahead.NothingIsMoved()) places[i].moved_from = use->at;
      }
      changed = changed || !(ahead == ahead_[i]);
      ahead_[i] = ahead;
    }
    return changed;
  }

  void Before(const Use& use, Ahead& ahead) const {
    ahead.loads = ahead.loads || use.is_opaque || (use.loads_by & stack_) != 0;
    const bool passes_on = use.stores || (ahead.stored & use.writes) != 0;
    ahead.stored = static_cast<uint16_t>((ahead.stored & ~use.replaces) | (passes_on ? use.reads : 0));
    ahead.stored &= static_cast<uint16_t>(stack_ & ~(1u << kRsp));  // others can't hold it
  }

  std::vector<bool> ReachedByMoves() const {
    std::vector<bool> reached(blocks_.size());
    std::vector<size_t> work;
    for (size_t i = 0; i < blocks_.size(); ++i) {
      if (!blocks_[i].begins_move) continue;
      reached[i] = true;
      work.push_back(i);
    }
    while (!work.empty()) {
      const size_t from = work.back();
      work.pop_back();
      for (const auto& [at, to] : blocks_[from].edges) {
        if (to == kMoveEnd || reached[to]) continue;
        reached[to] = true;
        work.push_back(to);
      }
    }
    return reached;
  }

  // Where it has been moved once, it stays so.
  void FindMoved(std::vector<MovingPlaces>& places) const {
    std::vector<bool> moved_in = ReachedByMoves();
    for (size_t i = 0; i < blocks_.size(); ++i) moved_in[i] = moved_in[i] && !blocks_[i].begins_move;
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = 0; i < blocks_.size(); ++i) {
        for (const auto& [at, to] : blocks_[i].edges) {
          const bool moved = moved_in[i] || places[i].moved_from < at;
          if (to == kMoveEnd || moved || !moved_in[to] || places[to].moved_from == blocks_[to].begin) continue;
          moved_in[to] = false;
          changed = true;
        }
      }
    }
    for (size_t i = 0; i < blocks_.size(); ++i) {
      if (moved_in[i]) places[i].moved_from = blocks_[i].begin;
    }
  }

  void FindStale(std::vector<MovingPlaces>& places) const {
    std::vector<bool> stale_in(blocks_.size());
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = 0; i < blocks_.size(); ++i) {
        places[i].stale_from = stale_in[i] ? blocks_[i].begin : UINT32_MAX;
        for (const Use& use : uses_[i]) {
          const bool overwrites = use.is_opaque || (use.stores && (use.addresses & stack_) != 0);
          if (overwrites) places[i].stale_from = std::min(places[i].stale_from, use.end);
        }
        for (const auto& [at, to] : blocks_[i].edges) {
          if (to == kMoveEnd || stale_in[to] || places[i].stale_from > at) continue;
          stale_in[to] = true;
          changed = true;
        }
      }
    }
  }

  std::span<const MovingBlock> blocks_;
  const uint16_t stack_;
  std::vector<std::vector<Use>> uses_;
  std::vector<Ahead> ahead_;
};

}  // namespace

std::vector<MovingPlaces> FindMovedFrames(std::span<const std::byte> code,
                                          std::span<const std::pair<uint32_t, uint32_t>> function,
                                          std::span<const MovingBlock> blocks) {
  const Decoder decoder(code);
  std::vector<std::vector<Use>> uses;
  for (const auto& [begin, end] : function) uses.push_back(decoder.Decode(begin, end));
  return Moves(decoder, blocks, FindStackRegisters(uses)).Run();
}

}  // namespace kiln::symbolizer
