#include <algorithm>

#include "component_model/component_validator.h"

namespace berth::component_model {

const char* to_string(CanonKind kind) {
  static constexpr const char* kNames[] = {"lift",
                                           "lower",
                                           "resource.new",
                                           "resource.drop",
                                           "resource.rep",
                                           "backpressure.inc",
                                           "backpressure.dec",
                                           "task.return",
                                           "task.cancel",
                                           "context.get",
                                           "context.set",
                                           "subtask.cancel",
                                           "subtask.drop",
                                           "stream.new",
                                           "stream.read",
                                           "stream.write",
                                           "stream.cancel-read",
                                           "stream.cancel-write",
                                           "stream.drop-readable",
                                           "stream.drop-writable",
                                           "future.new",
                                           "future.read",
                                           "future.write",
                                           "future.cancel-read",
                                           "future.cancel-write",
                                           "future.drop-readable",
                                           "future.drop-writable",
                                           "error-context.new",
                                           "error-context.debug-message",
                                           "error-context.drop",
                                           "waitable-set.new",
                                           "waitable-set.wait",
                                           "waitable-set.poll",
                                           "waitable-set.drop",
                                           "waitable.join",
                                           "thread.index",
                                           "thread.new-indirect",
                                           "thread.resume-later",
                                           "thread.suspend",
                                           "thread.yield",
                                           "thread.suspend-then-resume",
                                           "thread.yield-then-resume",
                                           "thread.suspend-then-promote",
                                           "thread.yield-then-promote"};
  return kNames[static_cast<size_t>(kind)];
}

namespace {
wasm::ValType address(PointerSize p) { return p == PointerSize::P32 ? wasm::kI32 : wasm::kI64; }
std::string signature_error(const char* what) {
  return std::string("canonical option `") + what + "` uses a core function with an incorrect signature";
}
}  // namespace

void ComponentValidator::define(Canon& d) {
  using K = CanonKind;
  switch (d.kind) {
    case K::Lift: lift(d); break;
    case K::Lower: lower(d); break;
    case K::ResourceNew:
    case K::ResourceDrop:
    case K::ResourceRep: resource_builtin(d); break;
    case K::TaskReturn: task_return(d); break;
    default:
      if (d.kind >= K::StreamNew && d.kind <= K::FutureDropWritable) {
        stream_builtin(d);
      } else {
        other_builtin(d);
      }
  }
  if (!ok()) return;
  if (d.kind == K::Lift) {
    scope().funcs.push_back(d.func_type);
    current_->type = ExternType::of(d.func_type);
  } else {
    add_core(&made_.emplace_back(core_func(d.core)));
  }
}

std::optional<PointerSize> ComponentValidator::options(const CanonOptions& o) {
  PointerSize pointer = PointerSize::P32;
  if (o.memory) {
    const CoreExtern* memory = core_item({Space::CoreMemory, *o.memory});
    if (!memory) return std::nullopt;
    if (memory->memory.is_shared || memory->memory.page_size_log2 != 16) {
      fail("canonical option `memory` must be an unshared memory with pages of 64 KiB");
      return std::nullopt;
    }
    if (memory->memory.is_64) pointer = PointerSize::P64;
  }
  if (o.realloc) {
    if (!o.memory) {
      fail("canonical option `realloc` requires `memory` to also be specified");
      return std::nullopt;
    }
    const CoreExtern* func = core_item({Space::CoreFunc, *o.realloc});
    if (!func) return std::nullopt;
    const wasm::ValType a = address(pointer);
    if (func->key != core_func({{a, a, a, a}, {a}}).key) {
      fail(signature_error("realloc"));
      return std::nullopt;
    }
  }
  if (o.callback && !o.is_async) {
    fail("cannot specify callback without async");
    return std::nullopt;
  }
  if (o.post_return && o.is_async) {
    fail("cannot specify post-return function in async");
    return std::nullopt;
  }
  return pointer;
}

bool ComponentValidator::require_memory(const CanonOptions& o, bool when) {
  if (when && !o.memory) fail("canonical option `memory` is required");
  return ok();
}
bool ComponentValidator::require_realloc(const CanonOptions& o, bool when) {
  if (require_memory(o, when) && when && !o.realloc) fail("canonical option `realloc` is required");
  return ok();
}

namespace {
bool params_have_pointer(const FuncType& t) {
  return std::ranges::any_of(t.params, [](const Field& f) { return f.type->has_pointer; });
}
bool result_has_pointer(const FuncType& t) { return t.result && t.result->has_pointer; }
}  // namespace

void ComponentValidator::lift(Canon& d) {
  const AnyType* type = type_at(d.type);
  if (!type) return;
  if (type->kind != AnyType::Kind::Func)
    return fail("type index " + std::to_string(d.type) + " is not a function type");
  d.func_type = type->func;
  const CoreExtern* core = core_item({Space::CoreFunc, d.func});
  if (!core) return;
  const auto pointer = options(d.options);
  if (!pointer) return;
  if (d.options.is_async && !d.func_type->is_async)
    return fail("the `async` canonical option requires an async function type");
  const CallShape shape =
      flatten(*d.func_type, *pointer, Direction::Lift, d.options.is_async, d.options.callback.has_value());
  if (!require_realloc(d.options, shape.params_in_memory || params_have_pointer(*d.func_type))) return;
  // An async function hands its result over with task.return, which has options of its own.
  if (!d.options.is_async && !require_memory(d.options, shape.results_in_memory || result_has_pointer(*d.func_type)))
    return;
  d.pointer = *pointer;
  d.core = shape.core;
  if (core->key != core_func(shape.core).key) {
    return fail("lowered parameter and result types " + wasm::to_string(shape.core) +
                " do not match those of core function " + std::to_string(d.func) + ", " + wasm::to_string(core->func));
  }
  if (d.options.post_return) {
    const CoreExtern* post = core_item({Space::CoreFunc, *d.options.post_return});
    if (post && post->key != core_func({shape.core.results, {}}).key) fail(signature_error("post-return"));
  }
  if (d.options.callback) {
    const CoreExtern* callback = core_item({Space::CoreFunc, *d.options.callback});
    if (callback && callback->key != core_func({{wasm::kI32, wasm::kI32, wasm::kI32}, {wasm::kI32}}).key)
      fail(signature_error("callback"));
  }
}

void ComponentValidator::lower(Canon& d) {
  d.func_type = at(scope().funcs, d.func, "function");
  if (!d.func_type) return;
  const auto pointer = options(d.options);
  if (!pointer) return;
  if (d.options.post_return) return fail("canonical option `post-return` cannot be specified for lowerings");
  if (d.options.callback) return fail("canonical option `callback` cannot be specified for lowerings");
  if (d.options.is_async && !d.func_type->is_async)
    return fail("the `async` canonical option requires an async function type");
  const CallShape shape = flatten(*d.func_type, *pointer, Direction::Lower, d.options.is_async, false);
  if (!require_memory(d.options, shape.params_in_memory || params_have_pointer(*d.func_type))) return;
  if (!require_realloc(d.options, result_has_pointer(*d.func_type))) return;
  if (!require_memory(d.options, shape.results_in_memory)) return;
  d.pointer = *pointer;
  d.core = shape.core;
}

void ComponentValidator::resource_builtin(Canon& d) {
  const auto resource = resource_at(d.type);
  if (!resource) return;
  d.resource = resource->var;
  if (d.kind == CanonKind::ResourceDrop) {
    d.core.params = {wasm::kI32};
    return;
  }
  const auto local = scope().representations.find(resource->var);
  if (local == scope().representations.end())
    return fail("type " + std::to_string(d.type) + " is not a local resource");
  const bool makes = d.kind == CanonKind::ResourceNew;
  d.core.params = {makes ? local->second : wasm::kI32};
  d.core.results = {makes ? wasm::kI32 : local->second};
}

void ComponentValidator::reject_for_builtin(const Canon& d, bool allow_async) {
  const auto reject = [&](bool given, const char* what) {
    if (given) fail(std::string("cannot specify `") + what + "` option on `" + to_string(d.kind) + "`");
  };
  reject(d.options.post_return.has_value(), "post-return");
  reject(d.options.callback.has_value(), "callback");
  if (!allow_async) reject(d.options.is_async, "async");
}

void ComponentValidator::task_return(Canon& d) {
  if (d.result) {
    d.value_type = value_type(*d.result);
    if (!d.value_type) return;
    if (d.value_type->has_borrow) return fail("function result cannot contain a `borrow` type");
  }
  reject_for_builtin(d, false);
  if (d.options.realloc) return fail("cannot specify `realloc` option on `task.return`");
  const auto pointer = options(d.options);
  if (!pointer) return;
  d.pointer = *pointer;
  FuncType as_params;
  if (d.value_type) as_params.params = {{"result", d.value_type}};
  const CallShape shape = flatten(as_params, *pointer, Direction::Lift, false, false);
  require_memory(d.options, shape.params_in_memory || (d.value_type && d.value_type->has_pointer));
  d.core = shape.core;
}

void ComponentValidator::stream_builtin(Canon& d) {
  using K = CanonKind;
  const bool is_stream = d.kind <= K::StreamDropWritable;
  const AnyType* type = type_at(d.type);
  if (!type) return;
  const TypeKind wanted = is_stream ? TypeKind::Stream : TypeKind::Future;
  if (type->kind != AnyType::Kind::Value || type->value->kind != wanted)
    return fail(std::string("`") + to_string(d.kind) + "` requires a " + to_string(wanted) + " type");
  d.value_type = type->value;
  const ValType* element = type->value->element;
  switch (d.kind) {
    case K::StreamNew:
    case K::FutureNew: d.core.results = {wasm::kI64}; break;
    case K::StreamRead:
    case K::StreamWrite:
    case K::FutureRead:
    case K::FutureWrite: {
      reject_for_builtin(d, true);
      const auto pointer = options(d.options);
      if (!pointer) return;
      d.pointer = *pointer;
      const bool reads = d.kind == K::StreamRead || d.kind == K::FutureRead;
      require_memory(d.options, element != nullptr);
      if (reads) require_realloc(d.options, element && element->has_pointer);
      d.core.params = {wasm::kI32, address(*pointer)};
      if (is_stream) d.core.params.push_back(address(*pointer));
      d.core.results = {is_stream ? address(*pointer) : wasm::kI32};
      break;
    }
    case K::StreamCancelRead:
    case K::StreamCancelWrite:
    case K::FutureCancelRead:
    case K::FutureCancelWrite: d.core = {{wasm::kI32}, {wasm::kI32}}; break;
    default: d.core = {{wasm::kI32}, {}};
  }
}

void ComponentValidator::other_builtin(Canon& d) {
  using K = CanonKind;
  const wasm::ValType i = wasm::kI32;
  const auto pointer = options(d.options);
  if (!pointer) return;
  d.pointer = *pointer;
  const wasm::ValType a = address(*pointer);
  switch (d.kind) {
    case K::BackpressureInc:
    case K::BackpressureDec:
    case K::TaskCancel: break;
    case K::ContextGet:
    case K::ContextSet:
      if (d.slot_type != wasm::kI32 && d.slot_type != wasm::kI64)
        return fail(std::string("`") + to_string(d.kind) + "` only supports `i32` or `i64`");
      if (d.number > 1)
        return fail(std::string("`") + to_string(d.kind) +
                    "` immediate must be zero or one: " + std::to_string(d.number));
      (d.kind == K::ContextGet ? d.core.results : d.core.params) = {d.slot_type};
      break;
    case K::SubtaskCancel: d.core = {{i}, {i}}; break;
    case K::SubtaskDrop:
    case K::WaitableSetDrop:
    case K::ErrorContextDrop:
    case K::ThreadResumeLater: d.core.params = {i}; break;
    case K::ErrorContextNew:
      reject_for_builtin(d, false);
      require_memory(d.options, true);
      d.core = {{a, a}, {i}};
      break;
    case K::ErrorContextDebugMessage:
      reject_for_builtin(d, false);
      require_realloc(d.options, true);
      d.core = {{i, a}, {}};
      break;
    case K::WaitableSetNew:
    case K::ThreadIndex:
    case K::ThreadSuspend:
    case K::ThreadYield: d.core.results = {i}; break;
    case K::WaitableSetWait:
    case K::WaitableSetPoll: d.core = {{i, a}, {i}}; break;
    case K::WaitableJoin: d.core.params = {i, i}; break;
    case K::ThreadNewIndirect: {
      if (d.type >= scope().core_types.size())
        return fail("unknown type " + std::to_string(d.type) + ": type index out of bounds");
      const Scope::CoreType& type = scope().core_types[d.type];
      if (type.module || type.group->types[type.index].kind != wasm::CompositeKind::Func)
        return fail("start type must be a function");
      const wasm::FuncType& start = type.group->types[type.index].func;
      if (start.params.size() != 1 || (start.params[0] != wasm::kI32 && start.params[0] != wasm::kI64))
        return fail("start function must take a single `i32` or `i64` argument");
      if (!start.results.empty()) return fail("start function must not return any values");
      const CoreExtern* table = core_item({Space::CoreTable, d.number});
      if (!table) return;
      if (table->table.element != wasm::kFuncRef) return fail("a table of 32-bit `funcref` is required");
      d.core = {{table->table.is_64 ? wasm::kI64 : i, start.params[0]}, {i}};
      break;
    }
    default: d.core = {{i}, {i}};  // threads that make way for another one
  }
}

}  // namespace berth::component_model
