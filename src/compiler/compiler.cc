#include "compiler/compiler.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include <llvm/Analysis/TargetLibraryInfo.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/TargetParser/Host.h>

#include "abi/compiler_identity.h"
#include "compiler/ir.h"
#include "compiler/llvm_targets.h"
#include "compiler/optimize.h"
#include "compiler/translate.h"

namespace berth::compiler {

namespace {

// Bytes of bodies in a partition: small enough for many threads and bounded memory, large enough for inlining.
constexpr u64 kPartitionBytes = 256 << 10;
// Bodies of at most so many bytes are copied into the partitions that call them.
constexpr u32 kCopiedBytes = 96;

const char* triple_of(const std::string& target) {
  if (target == "x86_64-linux") return "x86_64-unknown-linux-gnu";
  if (target == "aarch64-linux") return "aarch64-unknown-linux-gnu";
  return nullptr;
}

Result<std::unique_ptr<llvm::TargetMachine>> make_machine(const Target& target, u32 optimization) {
  initialize_llvm();
  const std::string triple = triple_of(target.name);
  std::string why;
  const llvm::Target* found = llvm::TargetRegistry::lookupTarget(triple, why);
  if (found == nullptr) return fail(ErrorCode::CompilerFailed, why);
  llvm::TargetOptions options;
  options.MCOptions.AsmVerbose = false;
  options.UniqueSectionNames = false;
  const auto level = optimization == 0   ? llvm::CodeGenOptLevel::None
                     : optimization == 1 ? llvm::CodeGenOptLevel::Less
                                         : llvm::CodeGenOptLevel::Default;
  std::unique_ptr<llvm::TargetMachine> machine(found->createTargetMachine(
      triple, target.cpu, target.features, options, llvm::Reloc::PIC_, llvm::CodeModel::Small, level));
  if (machine == nullptr) return fail(ErrorCode::CompilerFailed, "no code generator for " + triple);
  return machine;
}

std::unexpected<Error> no_such_loop(const LoopRef& loop) {
  return fail(ErrorCode::CompilerFailed,
              "no loop at byte " + std::to_string(loop.offset) + " of function " + std::to_string(loop.function));
}

// What one thread takes at a time.
struct Work {
  std::vector<u32> functions;
  u64 bytes = 0;
};

class Compilation {
 public:
  Compilation(const Plan& plan) : plan_(plan) {
    Work work;
    const auto& module = plan.module;
    for (u32 i = module.imported_functions; i < module.functions.size(); ++i) {
      if (!plan.selected[i]) continue;
      work.functions.push_back(i);
      work.bytes += module.functions[i].body.size;
      if (work.bytes >= kPartitionBytes) work_.push_back(std::exchange(work, {}));
    }
    if (!work.functions.empty() || work_.empty()) work_.push_back(std::move(work));
    objects_.resize(work_.size());
  }

  Result<std::vector<std::vector<u8>>> run() {
    u32 jobs = plan_.options.jobs != 0 ? plan_.options.jobs : std::max(1u, std::thread::hardware_concurrency());
    jobs = std::min(jobs, static_cast<u32>(work_.size()));
    {
      std::vector<std::jthread> threads;
      for (u32 i = 1; i < jobs; ++i) threads.emplace_back([this] { take_work(); });
      take_work();
    }
    if (error_) return std::unexpected(std::move(*error_));
    return std::move(objects_);
  }

 private:
  void take_work() {
    for (size_t i; (i = next_.fetch_add(1)) < work_.size();) {
      auto object = compile(work_[i], i == 0);
      const std::lock_guard lock(mutex_);
      if (!object) {
        if (!error_) error_ = std::move(object).error();
        next_ = work_.size();
        return;
      }
      objects_[i] = std::move(*object);
      if (plan_.options.progress) plan_.options.progress(static_cast<u32>(work_[i].functions.size()), work_[i].bytes);
    }
  }

  void add_trampolines(Partition& partition) {
    const auto& types = plan_.module.types;
    for (u32 t = 0; t < types.size(); ++t) {
      if (types[t].kind != wasm::CompositeKind::Func || plan_.module.canonical[t].value != t) continue;
      partition.add_enter(t);
      partition.add_exit(t);
    }
  }

  // Small functions that the partition's call, as copies that only inlining uses.
  void add_copies(Partition& partition) {
    std::vector<u32> wanted;
    for (llvm::Function& f : partition.module()) {
      if (!f.isDeclaration() || f.use_empty() || !f.getName().ends_with("]")) continue;
      const size_t open = f.getName().rfind('[');
      u32 index;
      if (f.getName().slice(open + 1, f.getName().size() - 1).getAsInteger(10, index)) continue;
      if (plan_.selected[index] && plan_.module.functions[index].body.size <= kCopiedBytes) wanted.push_back(index);
    }
    for (const u32 index : wanted) {
      Translator(partition, index).run();
      partition.function(index)->setLinkage(llvm::GlobalValue::AvailableExternallyLinkage);
    }
  }

  void dump(const llvm::Module& module, bool optimized) {
    if (!plan_.options.dump) return;
    std::string text;
    llvm::raw_string_ostream(text) << module;
    const std::lock_guard lock(mutex_);
    plan_.options.dump(text, optimized);
  }

  Result<std::vector<u8>> compile(const Work& work, bool first) {
    const u32 level = plan_.options.optimization;
    auto machine = TRY(make_machine(plan_.target, level));
    llvm::LLVMContext context;
    context.setDiscardValueNames(!plan_.options.dump);
    Partition partition(plan_, context, *machine);
    for (const u32 f : work.functions) Translator(partition, f).run();
    if (first)
      for (const LoopRef& loop : plan_.options.loops)
        if (!Translator(partition, loop.function, loop.offset).run()) return no_such_loop(loop);
    if (level > 1) add_copies(partition);
    if (first) add_trampolines(partition);
    const auto module = partition.take();
    dump(*module, false);
#ifndef NDEBUG
    CHECK(!llvm::verifyModule(*module, &llvm::errs()));
#endif
    optimize(*module, *machine, plan_.module, level);
    dump(*module, true);

    llvm::SmallVector<char, 0> object;
    llvm::raw_svector_ostream out(object);
    llvm::legacy::PassManager passes;
    llvm::TargetLibraryInfoImpl no_library(machine->getTargetTriple());
    no_library.disableAllFunctions();
    passes.add(new llvm::TargetLibraryInfoWrapperPass(no_library));
    if (machine->addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::ObjectFile)) {
      return fail(ErrorCode::CompilerFailed, "the target cannot write objects");
    }
    passes.run(*module);
    return std::vector<u8>(object.begin(), object.end());
  }

  const Plan& plan_;
  std::vector<Work> work_;
  std::atomic<size_t> next_ = 0;
  std::mutex mutex_;
  std::vector<std::vector<u8>> objects_;
  std::optional<Error> error_;
};

}  // namespace

std::string compiler_version() {
  return std::string(abi::kCompilerName) + std::string(abi::compiler_identity()) + " llvm " + LLVM_VERSION_STRING;
}

Result<Target> resolve_target(const Options& options) {
  const bool is_x86_here = llvm::Triple(llvm::sys::getProcessTriple()).getArch() == llvm::Triple::x86_64;
  const std::string here = is_x86_here ? "x86_64-linux" : "aarch64-linux";
  Target target{options.target.empty() ? here : options.target, options.cpu, ""};
  if (triple_of(target.name) == nullptr) {
    return fail(ErrorCode::UnknownTarget, target.name + "; there are x86_64-linux and aarch64-linux");
  }
  const bool runs_here = target.name == here;
  if (target.cpu.empty()) target.cpu = runs_here ? "native" : "generic";
  if (target.cpu == "generic") {
    target.cpu = target.name == "x86_64-linux" ? "x86-64-v2" : "generic";
  } else if (target.cpu == "native") {
    if (!runs_here)
      return fail(ErrorCode::UnknownTarget, "this machine is not " + target.name + "; name a CPU, or generic");
    target.cpu = llvm::sys::getHostCPUName().str();
    for (const auto& feature : llvm::sys::getHostCPUFeatures()) {
      if (!target.features.empty()) target.features += ',';
      target.features += (feature.second ? '+' : '-') + feature.first().str();
    }
  }
  return target;
}

Result<std::vector<std::vector<u8>>> compile_objects(const wasm::Module& module, const Options& options) {
  Plan plan{module, options, TRY(resolve_target(options)), wasm::Names::parse(module), {}, {}};
  plan.selected.resize(module.functions.size(), options.functions.empty());
  auto is_defined = [&](u32 f) { return f >= module.imported_functions && f < module.functions.size(); };
  for (const u32 f : options.functions) {
    if (!is_defined(f)) return fail(ErrorCode::CompilerFailed, "function " + std::to_string(f) + " has no body");
    plan.selected[f] = true;
  }
  for (const LoopRef& loop : options.loops)
    if (!is_defined(loop.function)) return no_such_loop(loop);
  for (u32 f = 0; f < module.imported_functions; ++f) plan.selected[f] = false;
  for (auto& hints : wasm::branch_hints(module)) plan.hints.emplace(hints.func.value, std::move(hints.hints));
  return Compilation(plan).run();
}

}  // namespace berth::compiler
