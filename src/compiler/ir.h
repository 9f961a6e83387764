// What the translation of every function of a partition shares: LLVM's module, types, declarations and metadata.
// Used by one thread. A partition is what one LLVM module holds: some functions of the wasm module, and copies of
// small ones that they call, for inlining.
#pragma once

#include <string>
#include <unordered_map>

#include <llvm/IR/DIBuilder.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include "abi/native.h"
#include "compiler/compiler.h"
#include "wasm/names.h"

namespace berth::compiler {

// One compilation, the same for all its partitions.
struct Plan {
  const wasm::Module& module;
  const Options& options;
  Target target;
  wasm::Names names;
  std::vector<bool> selected;                                    // by function index: whether code is made for it
  std::unordered_map<u32, std::vector<wasm::BranchHint>> hints;  // by function index

  // What the function is called in object files.
  std::string symbol(u32 function) const;
};

// What memory an access goes to, for alias analysis.
enum class Region : u8 { Memory, Context, Global, Table, Object, Header, Store, Frame, Cards };

class Partition {
 public:
  Partition(const Plan& plan, llvm::LLVMContext& context, llvm::TargetMachine& machine);

  const Plan& plan() const { return plan_; }
  const wasm::Module& wasm() const { return plan_.module; }
  const Options& options() const { return plan_.options; }
  llvm::LLVMContext& context() { return context_; }
  llvm::Module& module() { return *module_; }
  std::unique_ptr<llvm::Module> take();  // finishes debug information

  llvm::Type* type(wasm::ValKind kind) const;
  llvm::Type* type(wasm::ValType t) const { return type(t.kind); }
  // Of native code for a wasm type: parameters that are passed in memory are left out.
  llvm::FunctionType* function_type(const wasm::FuncType& type) const;

  // A function of the wasm module, declared when it is not here.
  llvm::Function* function(u32 index);
  // void (InstanceContext*, Slot* frame): the way into a loop of it (abi::LoopEntry).
  llvm::Function* loop_entry(const LoopRef& loop);
  // Its debug scope, whose lines are byte offsets in the module.
  llvm::DISubprogram* subprogram(llvm::Function& function, u32 index);

  llvm::FunctionType* builtin_type(abi::Builtin builtin) const;
  // void check(ptr address, i64 end, i64 index, i32 memory, i1 guarded): traps unless `end` bytes from `index` on are
  // within the memory; `address` is the memory's base plus `index`. See checks.h.
  llvm::Function* check() const { return check_; }
  llvm::Constant* personality();
  // Attributes of every function with code.
  void set_attributes(llvm::Function& f) const;
  void set_region(llvm::Instruction* access, Region region) const;
  llvm::MDNode* unlikely() const { return unlikely_; }
  llvm::MDNode* empty_node() const { return empty_node_; }

  // Trampolines of a function type.
  void add_enter(u32 type);
  void add_exit(u32 type);

 private:
  const Plan& plan_;
  llvm::LLVMContext& context_;
  std::unique_ptr<llvm::Module> module_;
  llvm::DIBuilder debug_;
  llvm::DICompileUnit* unit_ = nullptr;
  llvm::DIFile* file_ = nullptr;
  std::vector<llvm::Function*> functions_;
  llvm::Function* check_ = nullptr;
  llvm::MDNode* regions_[9];
  llvm::MDNode* unlikely_;
  llvm::MDNode* empty_node_;
};

}  // namespace berth::compiler
