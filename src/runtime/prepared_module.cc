#include "runtime/store.h"
#include "runtime/type_registry.h"

namespace berth::runtime {

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

std::optional<u32> PreparedModule::find_export(std::string_view name) const {
  const auto at = exports_.find(name);
  if (at == exports_.end()) return std::nullopt;
  return at->second;
}

}  // namespace berth::runtime
