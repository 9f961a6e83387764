#include "runtime/store.h"
#include "runtime/type_registry.h"
#include "wasm/code_reader.h"

namespace berth::runtime {

namespace {

// For wasm::decode_op: whether there is one of those instructions.
struct TableChanges {
  template <wasm::Op kOp>
  bool on(const wasm::ImmOf<kOp>&) {
    using wasm::Op;
    if constexpr (kOp == Op::TableSet || kOp == Op::TableGrow || kOp == Op::TableFill || kOp == Op::TableCopy ||
                  kOp == Op::TableInit || kOp == Op::RefFunc)
      found = true;
    return true;
  }
  bool found = false;
};

}  // namespace

PreparedModule::PreparedModule(std::shared_ptr<const wasm::Module> module, Executor& executor)
    : module_(std::move(module)), groups_(std::make_unique<TypeGroups>()) {
  types_ = groups_->add_module(*module_);
  code_ = executor.prepare(module_);
  exports_.reserve(module_->exports.size());
  for (u32 i = 0; i < module_->exports.size(); ++i) exports_.emplace(module_->exports[i].name, i);
  for (size_t i = module_->imported_globals; i < module_->globals.size(); ++i) {
    if (may_be_object(resolve(module_->globals[i].type.type, types_)))
      object_globals_.push_back(static_cast<u32>(i - module_->imported_globals));
  }
}

PreparedModule::~PreparedModule() = default;

bool PreparedModule::leaves_tables_alone() const {
  std::call_once(scanned_, [this] {
    TableChanges changes;
    for (u32 i = module_->imported_functions; i < module_->functions.size() && !changes.found; ++i) {
      wasm::CodeReader reader(module_->body(wasm::FuncIdx(i)));
      for (u32 runs = reader.leb_u32(); runs > 0 && reader.ok(); --runs) {
        reader.leb_u32();
        reader.val_type();
      }
      while (reader.ok() && !reader.at_end() && !changes.found) wasm::decode_op(reader, changes);
    }
    leaves_tables_alone_ = !changes.found;
  });
  return leaves_tables_alone_;
}

std::optional<u32> PreparedModule::find_export(std::string_view name) const {
  const auto at = exports_.find(name);
  if (at == exports_.end()) return std::nullopt;
  return at->second;
}

}  // namespace berth::runtime
