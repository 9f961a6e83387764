#include "compiler/ir.h"

#include <llvm/IR/MDBuilder.h>

#include "compiler/checks.h"

namespace berth::compiler {

using wasm::ValKind;

std::string Plan::symbol(u32 function) const {
  std::string name;
  if (const auto known = names.function(wasm::FuncIdx(function))) name = *known;
  // '@' would mean a symbol version to linkers.
  for (char& c : name)
    if (c == '@' || c == '\0' || c == '\n') c = '_';
  if (name.empty() || name.starts_with('.')) name = "function";
  return name + "[" + std::to_string(function) + "]";
}

Partition::Partition(const Plan& plan, llvm::LLVMContext& context, llvm::TargetMachine& machine)
    : plan_(plan), context_(context), module_(std::make_unique<llvm::Module>("wasm", context)), debug_(*module_) {
  module_->setTargetTriple(machine.getTargetTriple().str());
  module_->setDataLayout(machine.createDataLayout());
  module_->setPICLevel(llvm::PICLevel::BigPIC);
  module_->addModuleFlag(llvm::Module::Warning, "Debug Info Version", llvm::DEBUG_METADATA_VERSION);
  module_->addModuleFlag(llvm::Module::Max, "Dwarf Version", 4);
  file_ = debug_.createFile("module.wasm", "/");
  unit_ = debug_.createCompileUnit(llvm::dwarf::DW_LANG_C, file_, "berth", true, "", 0, "",
                                   llvm::DICompileUnit::LineTablesOnly, 0, true, false,
                                   llvm::DICompileUnit::DebugNameTableKind::None);
  functions_.resize(wasm().functions.size());

  llvm::MDBuilder metadata(context);
  llvm::MDNode* root = metadata.createTBAARoot("berth");
  constexpr const char* kNames[] = {"memory", "context", "global", "table", "object",
                                    "header", "store",   "frame",  "cards"};
  for (size_t i = 0; i < std::size(kNames); ++i) {
    llvm::MDNode* scalar = metadata.createTBAAScalarTypeNode(kNames[i], root);
    regions_[i] = metadata.createTBAAStructTagNode(scalar, scalar, 0);
  }
  unlikely_ = metadata.createBranchWeights(1, 1 << 20);
  empty_node_ = llvm::MDNode::get(context, {});

  auto* void_type = llvm::Type::getVoidTy(context);
  auto* ptr = llvm::PointerType::get(context, 0);
  auto* i64 = llvm::Type::getInt64Ty(context);
  auto* check_type = llvm::FunctionType::get(
      void_type, {ptr, i64, i64, llvm::Type::getInt32Ty(context), llvm::Type::getInt1Ty(context)}, false);
  check_ = llvm::Function::Create(check_type, llvm::Function::ExternalLinkage, kCheckName, *module_);
  // It reads everything, since a trap lets everything be seen; it may not return, so it can be neither removed nor
  // passed by a store.
  check_->setMemoryEffects(llvm::MemoryEffects::readOnly());
  check_->setDoesNotThrow();
  check_->setDoesNotFreeMemory();
  check_->addFnAttr(llvm::Attribute::NoCallback);
  check_->addFnAttr(llvm::Attribute::NoSync);
}

std::unique_ptr<llvm::Module> Partition::take() {
  debug_.finalize();
  return std::move(module_);
}

llvm::Type* Partition::type(ValKind kind) const {
  switch (kind) {
    case ValKind::I32: return llvm::Type::getInt32Ty(context_);
    case ValKind::I64: return llvm::Type::getInt64Ty(context_);
    case ValKind::F32: return llvm::Type::getFloatTy(context_);
    case ValKind::F64: return llvm::Type::getDoubleTy(context_);
    case ValKind::V128: return llvm::FixedVectorType::get(llvm::Type::getInt64Ty(context_), 2);
    case ValKind::Ref:
    case ValKind::Bottom: break;
  }
  return llvm::PointerType::get(context_, 0);
}

llvm::FunctionType* Partition::function_type(const wasm::FuncType& type) const {
  auto* ptr = llvm::PointerType::get(context_, 0);
  std::vector<llvm::Type*> params{ptr};
  llvm::Type* result = llvm::Type::getVoidTy(context_);
  if (abi::returns_in_memory(type))
    params.push_back(ptr);
  else if (!type.results.empty())
    result = this->type(type.results[0]);
  const auto places = abi::passing(type);
  for (size_t i = 0; i < places.size(); ++i)
    if (places[i] == abi::kInRegister) params.push_back(this->type(type.params[i]));
  return llvm::FunctionType::get(result, params, false);
}

void Partition::set_attributes(llvm::Function& f) const {
  f.addFnAttr("target-cpu", plan_.target.cpu);
  f.addFnAttr("target-features", plan_.target.features);
  // Without it LLVM takes the widest registers there are, whatever the CPU prefers.
  f.addFnAttr("min-legal-vector-width", "0");
  f.addFnAttr("probe-stack", "inline-asm");
  f.setUWTableKind(llvm::UWTableKind::Async);
  f.addParamAttr(0, llvm::Attribute::NonNull);
  f.addParamAttr(0, llvm::Attribute::NoUndef);
}

llvm::Function* Partition::function(u32 index) {
  llvm::Function*& f = functions_[index];
  if (f == nullptr) {
    f = llvm::Function::Create(function_type(wasm().func_type(wasm::FuncIdx(index))), llvm::Function::ExternalLinkage,
                               plan_.symbol(index), *module_);
    f->setVisibility(llvm::GlobalValue::HiddenVisibility);
    f->setDSOLocal(true);
    set_attributes(*f);
    f->addParamAttr(0, llvm::Attribute::getWithDereferenceableBytes(context_, sizeof(abi::InstanceContext)));
  }
  return f;
}

llvm::Function* Partition::loop_entry(const LoopRef& loop) {
  auto* ptr = llvm::PointerType::get(context_, 0);
  auto* f = llvm::Function::Create(
      llvm::FunctionType::get(llvm::Type::getVoidTy(context_), {ptr, ptr}, false), llvm::Function::ExternalLinkage,
      ".loop[" + std::to_string(loop.function) + "][" + std::to_string(loop.offset) + "]", *module_);
  f->setVisibility(llvm::GlobalValue::HiddenVisibility);
  set_attributes(*f);
  return f;
}

llvm::DISubprogram* Partition::subprogram(llvm::Function& function, u32 index) {
  auto* type = debug_.createSubroutineType(debug_.getOrCreateTypeArray({}));
  const auto line = static_cast<u32>(wasm().original_offset(wasm::FuncIdx(index), 0));
  // Debug information of kind LineTablesOnly has no linkage names.
  auto* scope = debug_.createFunction(file_, plan_.symbol(index), {}, file_, line, type, line, llvm::DINode::FlagZero,
                                      llvm::DISubprogram::SPFlagDefinition);
  function.setSubprogram(scope);
  return scope;
}

llvm::FunctionType* Partition::builtin_type(abi::Builtin builtin) const {
  constexpr std::pair<char, const char*> kSignatures[] = {
#define BERTH_BUILTIN(id, result, arguments) {#result[0], arguments},
#include "spec/builtins.def"
#undef BERTH_BUILTIN
  };
  auto* ptr = llvm::PointerType::get(context_, 0);
  auto of = [&](char c) -> llvm::Type* {
    switch (c) {
      case 'I': return llvm::Type::getInt32Ty(context_);
      case 'L': return llvm::Type::getInt64Ty(context_);
      case 'P': return ptr;
      default: return llvm::Type::getVoidTy(context_);
    }
  };
  const auto& [result, arguments] = kSignatures[static_cast<u32>(builtin)];
  std::vector<llvm::Type*> params{ptr};
  for (const char* c = arguments; *c != '\0'; ++c) params.push_back(of(*c));
  return llvm::FunctionType::get(of(result), params, false);
}

llvm::Constant* Partition::personality() {
  // Never called: the runtime unwinds by tables of its own. Weak, so that nothing need define it.
  constexpr const char* kName = "berth.personality";
  if (auto* f = module_->getFunction(kName)) return f;
  auto* type = llvm::FunctionType::get(llvm::Type::getInt32Ty(context_), true);
  auto* f = llvm::Function::Create(type, llvm::Function::ExternalWeakLinkage, kName, *module_);
  f->setVisibility(llvm::GlobalValue::HiddenVisibility);
  return f;
}

void Partition::set_region(llvm::Instruction* access, Region region) const {
  access->setMetadata(llvm::LLVMContext::MD_tbaa, regions_[static_cast<u32>(region)]);
}

}  // namespace berth::compiler
