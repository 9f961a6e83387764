#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "validate/function_validator.h"
#include "validate/legacy_exceptions.h"
#include "validate/type_section.h"
#include "validate/validate.h"

namespace berth::validate {

using wasm::ExternKind;
using wasm::Feature;
using wasm::FuncIdx;
using wasm::Module;
using wasm::SegmentMode;
using wasm::ValType;

namespace {

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

Error unknown(ErrorCode code, u64 index) { return Error(code, std::to_string(index)); }

Result<> check_bounds(u64 min, std::optional<u64> max) {
  if (max && min > *max)
    return fail(ErrorCode::SizeMinimumGreaterThanMaximum, std::to_string(min) + " and " + std::to_string(*max));
  return {};
}

// Specification: validation, memory types; custom page sizes.
Result<> check_memory(const wasm::MemoryType& type) {
  if (type.page_size_log2 != 0 && type.page_size_log2 != 16)
    return fail(ErrorCode::InvalidPageSize, "2^" + std::to_string(type.page_size_log2) + ", must be 1 or 65536");
  const u64 largest = std::max(type.limits.min, type.limits.max.value_or(0));
  if (type.is_64) {
    if (type.page_size_log2 == 16 && largest > u64{1} << 48)
      return fail(ErrorCode::Memory64SizeLimit, std::to_string(largest));
  } else if (type.page_size_log2 == 16) {
    if (largest > 65536) return fail(ErrorCode::MemorySizeLimit, std::to_string(largest));
  } else if (largest > 0xFFFFFFFF) {
    return fail(ErrorCode::BytePageMemorySizeLimit, std::to_string(largest));
  }
  TRY(check_bounds(type.limits.min, type.limits.max));
  if (type.is_shared && !type.limits.max) return fail(ErrorCode::SharedMemoryMaximum);
  return {};
}

}  // namespace

class ModuleValidator::Impl {
 public:
  Impl(Module& module, const Options& options)
      : module_(module), options_(options), facts_{module, module.features_allowed, options.limits, {}, {}, {}} {}

  Result<> types() {
    CHECK(!types_done_);
    types_done_ = true;
    TRY(validate_types(module_, facts_));
    facts_.sigs.reserve(module_.types.size());
    add_sigs();
    return {};
  }

  Result<> declarations() {
    if (!types_done_) TRY(types());
    CHECK(!validator_);
    facts_.declared.assign(module_.functions.size(), false);
    validator_ = std::make_unique<FunctionValidator>(facts_);
    TRY(imports());
    for (size_t i = 0; i < module_.functions.size(); ++i) TRY(function_type(module_.functions[i].type, "function", i));
    TRY(tables());
    TRY(memories());
    TRY(tags());
    TRY(globals());
    TRY(exports());
    TRY(start());
    return elems();
  }

  Result<> function(FuncIdx func) { return function(*validator_, func); }

  Result<> functions() {
    const u32 first = module_.imported_functions;
    const u32 end = static_cast<u32>(module_.functions.size());
    const u32 threads = std::min(options_.threads, (end - first) / kChunk + 1);
    if (threads <= 1) {
      for (u32 i = first; i < end; ++i) TRY(function(FuncIdx(i)));
      return {};
    }
    std::atomic<u32> next = first;
    std::atomic<u32> stop = end;  // the first function known to be in error
    std::mutex mutex;
    std::optional<Error> error;
    auto work = [&](FunctionValidator& validator) {
      for (;;) {
        const u32 from = next.fetch_add(kChunk);
        const u32 to = std::min(from + kChunk, stop.load());
        if (from >= to) return;
        for (u32 i = from; i < to; ++i) {
          auto result = function(validator, FuncIdx(i));
          if (result) continue;
          std::lock_guard lock(mutex);
          if (i < stop) {
            stop = i;
            error = std::move(result).error();
          }
          break;
        }
      }
    };
    std::vector<std::thread> others;
    for (u32 i = 1; i < threads; ++i) {
      others.emplace_back([&] {
        FunctionValidator validator(facts_);
        work(validator);
      });
    }
    work(*validator_);
    for (std::thread& t : others) t.join();
    if (error) return fail(std::move(*error));
    return {};
  }

  Result<> finish() {
    if (!validator_) TRY(declarations());
    for (size_t i = 0; i < module_.datas.size(); ++i) {
      const wasm::DataSegment& data = module_.datas[i];
      if (data.mode != SegmentMode::Active) continue;
      if (data.memory.value >= module_.memories.size())
        return fail(
            unknown(ErrorCode::UnknownMemory, data.memory.value).with_context("in data segment " + std::to_string(i)));
      TRY(constant(data.offset, module_.memories[data.memory.value].type.address_type(), all_globals(), "data segment",
                   i));
    }
    if (options_.translate_legacy_exceptions) return translate();
    return {};
  }

 private:
  static constexpr u32 kChunk = 64;

  u32 all_globals() const { return static_cast<u32>(module_.globals.size()); }

  static Error in(Error e, const char* what, size_t index) {
    return std::move(e).with_context("in " + std::string(what) + " " + std::to_string(index));
  }

  Result<> constant(wasm::ConstExpr expr, ValType type, u32 globals, const char* what, size_t index) {
    auto result = validator_->validate_constant(expr, type, globals, &facts_.declared);
    if (!result) return fail(in(std::move(result).error(), what, index));
    return {};
  }

  Result<> function_type(wasm::TypeIdx type, const char* what, size_t index) {
    if (type.value >= module_.types.size()) return fail(in(unknown(ErrorCode::UnknownType, type.value), what, index));
    if (module_.types[type.value].kind != wasm::CompositeKind::Func)
      return fail(
          in(Error(ErrorCode::UnknownType, std::to_string(type.value) + " is not a function type"), what, index));
    return {};
  }

  Result<> check(ValType type, const char* what, size_t index) {
    if (auto e = facts_.check(type)) return fail(in(std::move(*e), what, index));
    return {};
  }

  Result<> imports() {
    for (size_t i = 0; i < module_.imports.size(); ++i) {
      const wasm::Import& import = module_.imports[i];
      if (import.kind == ExternKind::Global && module_.globals[import.index].type.is_mutable &&
          !facts_.features.has(Feature::MutableGlobal))
        return fail(in(feature_error("a mutable global", Feature::MutableGlobal), "import", i));
    }
    return {};
  }

  Result<> tables() {
    if (module_.tables.size() > 1 && !facts_.features.has(Feature::ReferenceTypes))
      return fail(ErrorCode::MultipleTables, "need the feature reference-types");
    for (size_t i = 0; i < module_.tables.size(); ++i) {
      const wasm::Table& table = module_.tables[i];
      const wasm::TableType& t = table.type;
      if (t.element != wasm::kFuncRef) TRY(check(t.element, "table", i));
      const u64 largest = std::max(t.limits.min, t.limits.max.value_or(0));
      if (!t.is_64 && largest > 0xFFFFFFFF)
        return fail(in(Error(ErrorCode::TableSizeLimit, std::to_string(largest)), "table", i));
      if (auto r = check_bounds(t.limits.min, t.limits.max); !r) return fail(in(std::move(r).error(), "table", i));
      if (table.init) {
        TRY(constant(*table.init, t.element, module_.imported_globals, "table", i));
      } else if (i >= module_.imported_tables && !t.element.is_defaultable()) {
        return fail(in(
            Error(ErrorCode::TypeMismatch, "elements of type " + wasm::to_string(t.element) + " need an initial value"),
            "table", i));
      }
    }
    return {};
  }

  Result<> memories() {
    if (module_.memories.size() > 1 && !facts_.features.has(Feature::MultiMemory))
      return fail(ErrorCode::MultipleMemories, "need the feature multi-memory");
    for (size_t i = 0; i < module_.memories.size(); ++i) {
      if (auto r = check_memory(module_.memories[i].type); !r) return fail(in(std::move(r).error(), "memory", i));
    }
    return {};
  }

  Result<> tags() {
    for (size_t i = 0; i < module_.tags.size(); ++i) {
      TRY(function_type(module_.tags[i].type, "tag", i));
      const auto& results = module_.func_type(module_.tags[i].type).results;
      if (!results.empty()) return fail(in(Error(ErrorCode::NonEmptyTagResult, to_string(results)), "tag", i));
    }
    return {};
  }

  Result<> globals() {
    for (u32 i = 0; i < module_.globals.size(); ++i) {
      const wasm::Global& global = module_.globals[i];
      TRY(check(global.type.type, "global", i));
      if (i >= module_.imported_globals) TRY(constant(global.init, global.type.type, i, "global", i));
    }
    return {};
  }

  Result<> exports() {
    std::vector<std::string_view> names;
    names.reserve(module_.exports.size());
    for (const wasm::Export& e : module_.exports) names.emplace_back(e.name);
    std::ranges::sort(names);
    if (const auto twice = std::ranges::adjacent_find(names); twice != names.end())
      return fail(ErrorCode::DuplicateExportName, quoted(*twice));
    for (const wasm::Export& e : module_.exports) {
      auto bounded = [&](size_t count, ErrorCode code) -> Result<> {
        if (e.index < count) return {};
        return fail(unknown(code, e.index).with_context("in export " + quoted(e.name)));
      };
      switch (e.kind) {
        case ExternKind::Func:
          TRY(bounded(module_.functions.size(), ErrorCode::UnknownFunction));
          facts_.declared[e.index] = true;
          break;
        case ExternKind::Table: TRY(bounded(module_.tables.size(), ErrorCode::UnknownTable)); break;
        case ExternKind::Memory: TRY(bounded(module_.memories.size(), ErrorCode::UnknownMemory)); break;
        case ExternKind::Global:
          TRY(bounded(module_.globals.size(), ErrorCode::UnknownGlobal));
          if (module_.globals[e.index].type.is_mutable && !facts_.features.has(Feature::MutableGlobal))
            return fail(feature_error("exporting the mutable global " + quoted(e.name), Feature::MutableGlobal));
          break;
        case ExternKind::Tag: TRY(bounded(module_.tags.size(), ErrorCode::UnknownTag)); break;
      }
    }
    return {};
  }

  Result<> start() {
    if (!module_.start) return {};
    if (module_.start->value >= module_.functions.size())
      return fail(unknown(ErrorCode::UnknownFunction, module_.start->value).with_context("as start function"));
    const auto& type = module_.func_type(*module_.start);
    if (!type.params.empty() || !type.results.empty())
      return fail(ErrorCode::StartFunction,
                  std::to_string(module_.start->value) + " has the type " + wasm::to_string(type));
    return {};
  }

  Result<> elems() {
    for (size_t i = 0; i < module_.elems.size(); ++i) {
      const wasm::ElemSegment& elem = module_.elems[i];
      if (elem.uses_exprs && elem.type != wasm::kFuncRef) TRY(check(elem.type, "element segment", i));
      if (elem.mode == SegmentMode::Active) {
        if (elem.table.value >= module_.tables.size())
          return fail(in(unknown(ErrorCode::UnknownTable, elem.table.value), "element segment", i));
        const wasm::TableType& table = module_.tables[elem.table.value].type;
        if (!wasm::val_matches(module_, elem.type, table.element)) {
          return fail(in(Error(ErrorCode::TypeMismatch, "the segment holds " + wasm::to_string(elem.type) + ", table " +
                                                            std::to_string(elem.table.value) + " " +
                                                            wasm::to_string(table.element)),
                         "element segment", i));
        }
        TRY(constant(elem.offset, table.address_type(), all_globals(), "element segment", i));
      }
      for (const FuncIdx f : elem.funcs) {
        if (f.value >= module_.functions.size())
          return fail(in(unknown(ErrorCode::UnknownFunction, f.value), "element segment", i));
        facts_.declared[f.value] = true;
      }
      for (const wasm::ConstExpr& e : elem.exprs) TRY(constant(e, elem.type, all_globals(), "element segment", i));
    }
    return {};
  }

  Result<> function(FunctionValidator& validator, FuncIdx func) {
    const auto summary = TRY(validator.validate(func));
    wasm::Function& f = module_.functions[func.value];
    f.local_slots = summary.local_slots;
    f.stack_slots = summary.stack_slots;
    f.uses_legacy_exceptions = summary.uses_legacy_exceptions;
    return {};
  }

  // Rewrites legacy exception handling. The new bodies are validated in turn, which both measures them
  // and makes sure that nothing but valid code gets past here.
  Result<> translate() {
    std::vector<FuncIdx> funcs;
    for (u32 i = module_.imported_functions; i < module_.functions.size(); ++i)
      if (module_.functions[i].uses_legacy_exceptions) funcs.emplace_back(i);
    if (funcs.empty()) return {};
    LegacyTranslator translator(module_);
    for (const FuncIdx f : funcs) TRY(translator.translate(f));
    for (Feature f : {Feature::Exceptions, Feature::MultiValue, Feature::ReferenceTypes, Feature::FunctionReferences})
      facts_.features.enable(f);
    add_sigs();
    FunctionValidator validator(facts_);
    for (const FuncIdx f : funcs) {
      auto result = function(validator, f);
      module_.functions[f.value].uses_legacy_exceptions = true;
      if (!result) {
        Error e = std::move(result).error();
        e = std::move(e)
                .at(module_.functions[f.value].original_offset)
                .with_context("after translating legacy exceptions");
        return fail(std::move(e));
      }
    }
    return {};
  }

  // For the types that have none yet. The pointers stay when Module::types grows.
  void add_sigs() {
    for (size_t i = facts_.sigs.size(); i < module_.types.size(); ++i) {
      const auto& f = module_.types[i].func;
      facts_.sigs.push_back(
          {f.params.data(), f.results.data(), static_cast<u32>(f.params.size()), static_cast<u32>(f.results.size())});
      facts_.defaultable.push_back(std::ranges::all_of(
          module_.types[i].strct.fields, [](const wasm::FieldType& field) { return field.type.is_defaultable(); }));
    }
  }

  Module& module_;
  Options options_;
  ModuleFacts facts_;
  std::unique_ptr<FunctionValidator> validator_;
  bool types_done_ = false;
};

ModuleValidator::ModuleValidator(Module& module, const Options& options)
    : impl_(std::make_unique<Impl>(module, options)) {}
ModuleValidator::ModuleValidator(ModuleValidator&&) noexcept = default;
ModuleValidator::~ModuleValidator() = default;
Result<> ModuleValidator::types() { return impl_->types(); }
Result<> ModuleValidator::declarations() { return impl_->declarations(); }
Result<> ModuleValidator::function(FuncIdx func) { return impl_->function(func); }
Result<> ModuleValidator::functions() { return impl_->functions(); }
Result<> ModuleValidator::finish() { return impl_->finish(); }

Result<> validate_module(Module& module, const Options& options) {
  ModuleValidator validator(module, options);
  TRY(validator.types());
  TRY(validator.declarations());
  TRY(validator.functions());
  return validator.finish();
}

}  // namespace berth::validate
