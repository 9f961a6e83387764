#include "component/call.h"

#include <algorithm>

#include "component/host_call.h"
#include "component_model/subtyping.h"

namespace berth::component {
namespace {

using runtime::Outcome;

constexpr u32 kMaxSlots = 20;

// A call goes into instances that must not have been entered; after a trap they stay so.
class Entry {
 public:
  bool enter(std::span<InstanceState* const> instances, Transfer& transfer) {
    for (const InstanceState* i : instances) {
      if (!i->may_enter) return transfer.fail("cannot enter component instance");
    }
    for (InstanceState* i : instances) i->may_enter = false;
    instances_ = instances;
    return true;
  }
  void leave() {
    for (InstanceState* i : instances_) i->may_enter = true;
  }

 private:
  std::span<InstanceState* const> instances_;
};

// The innermost task of the store while it lives.
class TaskScope {
 public:
  TaskScope(StoreState& store, Task& task) : store_(store), outer_(store.task) { store.task = &task; }
  ~TaskScope() { store_.task = outer_; }
  TaskScope(const TaskScope&) = delete;

 private:
  StoreState& store_;
  Task* outer_;
};

bool call_core(StoreState& store, abi::FunctionInstance& function, abi::Slot* slots, Transfer& transfer) {
  auto outcome = store.store.call_raw(function, slots);
  return outcome.has_value() || transfer.fail_call(std::move(outcome).error());
}

bool finish_task(const Task& task, Transfer& transfer) {
  return task.borrows == 0 || transfer.fail("borrow handles still remain at the end of the call");
}

// What follows a lifted call whose results have been read; `results` are the core ones.
bool post_return(StoreState& store, const Function& f, abi::Slot* results, Transfer& transfer) {
  if (f.options.post_return == nullptr) return true;
  f.instance->may_leave = false;
  if (!call_core(store, *f.options.post_return, results, transfer)) return false;
  f.instance->may_leave = true;
  return true;
}

void give_back(InstanceState& instance, const std::vector<u32>& lent) {
  for (const u32 index : lent) --instance.handles.find(index)->lends;
}

bool lower_params(Transfer& transfer, const Signature& signature, const Side& callee, std::span<const Value> arguments,
                  abi::Slot* slots) {
  if (signature.shape.params_in_memory) {
    if (!transfer.allocate(callee, signature.tuple->align, signature.tuple->size, &slots[0], "parameter")) return false;
    for (size_t i = 0; i < arguments.size(); ++i) {
      const Plan::Part& part = signature.tuple->parts[i];
      if (!transfer.lower(*part.plan, callee, slots[0] + part.offset, arguments[i])) return false;
    }
    return true;
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!transfer.lower_flat(*signature.params[i], callee, slots, arguments[i])) return false;
  }
  return true;
}

u64 as_pointer(const Options& options, abi::Slot slot) {
  return options.pointer == cm::PointerSize::P32 ? static_cast<u32>(slot) : slot;
}

// Runs the core function of a task to its end. One that was lifted with `async` gives its result by task.return.
bool run_task(StoreState& store, const Function& f, const Task& task, abi::Slot* slots, Transfer& transfer) {
  if (!call_core(store, *f.core, slots, transfer)) return false;
  if (!f.options.is_async) return finish_task(task, transfer);
  if (f.options.callback != nullptr) {
    enum Code : u32 { kExit = 0, kYield = 1, kWait = 2 };
    for (;;) {
      const u32 code = static_cast<u32>(slots[0]) & 0xF;
      if (code == kExit) break;
      if (code > kWait) return transfer.fail("unsupported callback code: " + std::to_string(code));
      if (code == kWait) return transfer.fail("waiting is not supported: components cannot run concurrently yet");
      // Nothing else can run in between.
      slots[0] = slots[1] = slots[2] = 0;
      if (!call_core(store, *f.options.callback, slots, transfer)) return false;
    }
  }
  return task.is_resolved || transfer.fail("async-lifted export failed to produce a result");
}

// Where a result is: in core values, or at an address.
struct Place {
  const abi::Slot* slots = nullptr;  // null: at the address
  u64 address = 0;
};

bool lift_result(Transfer& transfer, const Plan& plan, const Side& from, Place place, Value& out) {
  if (place.slots != nullptr) return transfer.lift_flat(plan, from, place.slots, out);
  return transfer.check_pointer(from, place.address, plan) && transfer.lift(plan, from, place.address, out);
}

// The result of a function that was not lifted with `async`.
Place result_place(const Function& f, const abi::Slot* slots) {
  if (!f.signature.shape.results_in_memory) return {slots, 0};
  return {nullptr, as_pointer(f.options, slots[0])};
}

// Hands a result on to where the caller of `l` wants it: `values` or, in memory, `address`.
bool pass_result(Transfer& transfer, const Side& from, const Plan& theirs, Place place, const Lowered& l,
                 const Side& to, u64 address, abi::Slot* values) {
  const Plan& mine = *l.signature.result;
  const bool in_memory = l.signature.shape.results_in_memory;
  if (in_memory && !transfer.check_pointer(to, address, mine)) return false;
  if (in_memory == (place.slots == nullptr)) {
    if (!in_memory) return transfer.copy_flat(theirs, from, place.slots, mine, to, values);
    return transfer.check_pointer(from, place.address, theirs) &&
           transfer.copy(theirs, from, place.address, mine, to, address);
  }
  // From core values into memory or the other way, as only asynchronous calls have it.
  Value value;
  if (!lift_result(transfer, theirs, from, place, value)) return false;
  return in_memory ? transfer.lower(mine, to, address, value) : transfer.lower_flat(mine, to, values, value);
}

bool lift_params(Transfer& transfer, const Lowered& l, const Side& caller, const abi::Slot*& slots,
                 std::vector<Value>& out) {
  out.resize(l.signature.params.size());
  if (!l.signature.shape.params_in_memory) {
    for (size_t i = 0; i < out.size(); ++i) {
      if (!transfer.lift_flat(*l.signature.params[i], caller, slots, out[i])) return false;
    }
    return true;
  }
  const Plan& tuple = *l.signature.tuple;
  const u64 address = as_pointer(l.options, *slots++);
  if (!transfer.check_pointer(caller, address, tuple)) return false;
  for (size_t i = 0; i < out.size(); ++i) {
    if (!transfer.lift(*tuple.parts[i].plan, caller, address + tuple.parts[i].offset, out[i])) return false;
  }
  return true;
}

bool pass_params(Transfer& transfer, const Lowered& l, const Side& caller, const abi::Slot*& from, const Side& callee,
                 abi::Slot* slots) {
  const Function& f = *l.callee;
  if (l.signature.shape.params_in_memory != f.signature.shape.params_in_memory) {
    std::vector<Value> arguments;
    return lift_params(transfer, l, caller, from, arguments) &&
           lower_params(transfer, f.signature, callee, arguments, slots);
  }
  if (l.signature.shape.params_in_memory) {
    const Plan &mine = *l.signature.tuple, &theirs = *f.signature.tuple;
    const u64 address = as_pointer(l.options, *from++);
    return transfer.check_pointer(caller, address, mine) &&
           transfer.allocate(callee, theirs.align, theirs.size, &slots[0], "parameter") &&
           transfer.copy(mine, caller, address, theirs, callee, slots[0]);
  }
  for (size_t i = 0; i < l.signature.params.size(); ++i) {
    if (!transfer.copy_flat(*l.signature.params[i], caller, from, *f.signature.params[i], callee, slots)) return false;
  }
  return true;
}

// What a call that was lowered with `async` returns once it is over (Canonical ABI: subtask state).
constexpr abi::Slot kReturned = 2;

bool call_host(Lowered& l, abi::Slot* values, Transfer& transfer) {
  std::vector<u32> lent;
  const Side caller{l.caller, &l.options, nullptr, &lent};
  std::vector<Value> arguments;
  const abi::Slot* slots = values;
  if (!lift_params(transfer, l, caller, slots, arguments)) return false;
  const u64 address = l.signature.shape.results_in_memory ? as_pointer(l.options, *slots) : 0;
  auto result = l.callee->host(arguments);
  if (!result) return transfer.fail(std::move(result).error());
  if (const Plan* plan = l.signature.result) {
    CHECK(result->has_value() && conforms(*plan->type, **result));
    abi::Slot* out = values;
    if (l.signature.shape.results_in_memory) {
      if (!transfer.check_pointer(caller, address, *plan) || !transfer.lower(*plan, caller, address, **result))
        return false;
    } else if (!transfer.lower_flat(*plan, caller, out, **result)) {
      return false;
    }
  }
  give_back(*l.caller, lent);
  if (l.options.is_async) values[0] = kReturned;
  return true;
}

bool call_guest(Lowered& l, abi::Slot* values, Transfer& transfer) {
  const Function& f = *l.callee;
  StoreState& store = *l.caller->store;
  Entry entry;
  if (f.instance == l.caller) return transfer.fail("cannot enter component instance");
  if (!entry.enter(l.entered, transfer)) return false;
  Task task;
  task.function = &f;
  std::vector<u32> lent;
  const Side caller{l.caller, &l.options, store.task, &lent};
  const Side callee{f.instance, &f.options, &task, nullptr};
  abi::Slot slots[kMaxSlots];
  const TaskScope scope(store, task);

  const abi::Slot* from = values;
  if (!pass_params(transfer, l, caller, from, callee, slots)) return false;
  const u64 address = l.signature.shape.results_in_memory ? as_pointer(l.options, *from) : 0;
  if (f.options.is_async) {
    task.on_return = [&](Transfer& t, const Side& side, const Plan& plan, const abi::Slot* results, u64 at) {
      return pass_result(t, side, plan, {results, at}, l, caller, address, values);
    };
  }
  if (!run_task(store, f, task, slots, transfer)) return false;
  if (!f.options.is_async && f.signature.result &&
      !pass_result(transfer, callee, *f.signature.result, result_place(f, slots), l, caller, address, values)) {
    return false;
  }
  give_back(*l.caller, lent);
  if (!post_return(store, f, slots, transfer)) return false;
  if (l.options.is_async) values[0] = kReturned;
  entry.leave();
  return true;
}

Outcome<void> outcome_of(bool ok, Transfer& transfer) {
  if (ok) return {};
  return std::unexpected(std::move(transfer.trap));
}

}  // namespace

std::vector<InstanceState*> entered(InstanceState* callee, InstanceState* caller) {
  std::vector<InstanceState*> out;
  for (InstanceState* i = callee; i != nullptr; i = i->parent) {
    bool is_inside = false;
    for (const InstanceState* c = caller; c != nullptr && !is_inside; c = c->parent) is_inside = c == i;
    if (!is_inside) out.push_back(i);
  }
  return out;
}

static Outcome<void> call_definition(const HostDefinition& definition, const Lowered& l, abi::Slot* values) {
  const Side caller{l.caller, &l.options, nullptr, nullptr};
  HostCall call(*l.caller->store, caller);
  if (!l.caller->may_leave) return outcome_of(call.transfer().fail("cannot leave component instance"), call.transfer());
  if (!definition.call(call, l, values)) [[unlikely]]
    return std::unexpected(std::move(call.transfer().trap));
  if (l.options.is_async) values[0] = kReturned;
  return {};
}

Outcome<void> call_lowered(Lowered& l, abi::Slot* values) {
  if (l.callee->definition != nullptr) return call_definition(*l.callee->definition, l, values);
  Transfer transfer(*l.caller->store);
  if (!l.caller->may_leave) return outcome_of(transfer.fail("cannot leave component instance"), transfer);
  return outcome_of(l.callee->host ? call_host(l, values, transfer) : call_guest(l, values, transfer), transfer);
}

Outcome<std::optional<Value>> call_from_host(StoreState& store, Function& f, std::span<const Value> arguments) {
  if (f.host) return f.host(arguments);
  Transfer transfer(store);
  if (f.definition != nullptr) {
    transfer.fail(std::string(f.definition->name) + " is a function of the host, which only components call");
    return std::unexpected(std::move(transfer.trap));
  }
  Entry entry;
  const std::vector<InstanceState*> instances = entered(f.instance, nullptr);
  Task task;
  task.function = &f;
  const Side callee{f.instance, &f.options, &task, nullptr};
  abi::Slot slots[kMaxSlots];
  std::optional<Value> result;
  task.on_return = [&](Transfer& t, const Side& side, const Plan& plan, const abi::Slot* results, u64 at) {
    return lift_result(t, plan, side, {results, at}, result.emplace());
  };
  const auto run = [&] {
    if (!entry.enter(instances, transfer)) return false;
    const TaskScope scope(store, task);
    if (!lower_params(transfer, f.signature, callee, arguments, slots)) return false;
    if (!run_task(store, f, task, slots, transfer)) return false;
    if (!f.options.is_async && f.signature.result &&
        !lift_result(transfer, *f.signature.result, callee, result_place(f, slots), result.emplace())) {
      return false;
    }
    return post_return(store, f, slots, transfer);
  };
  if (!run()) return std::unexpected(std::move(transfer.trap));
  entry.leave();
  return result;
}

Outcome<void> task_return(const TaskReturn& made, abi::Slot* values) {
  StoreState& store = *made.instance->store;
  Transfer transfer(store);
  const auto run = [&] {
    Task* task = store.task;
    if (!made.instance->may_leave) return transfer.fail("cannot leave component instance");
    if (task == nullptr || task->function->instance != made.instance || !task->function->options.is_async ||
        task->is_resolved)
      return transfer.fail("`task.return` called for a task that is not async, or more than once");
    const Function& f = *task->function;
    const bool same =
        f.type->result && made.type ? cm::Subtyping::equal(*f.type->result, *made.type) : f.type->result == made.type;
    if (!same || made.options.memory != f.options.memory || made.options.encoding != f.options.encoding)
      return transfer.fail("invalid `task.return` signature and/or options for current task");
    if (!finish_task(*task, transfer)) return false;
    task->is_resolved = true;
    if (made.plan == nullptr) return true;
    const Side side{made.instance, &made.options, task, nullptr};
    const u64 address = made.in_memory ? as_pointer(made.options, values[0]) : 0;
    return task->on_return(transfer, side, *made.plan, made.in_memory ? nullptr : values, address);
  };
  return outcome_of(run(), transfer);
}

// --- resources

Outcome<void> resource_new(InstanceState& instance, const ResourceType& type, bool is_64, abi::Slot* values) {
  Transfer transfer(*instance.store);
  if (!instance.may_leave) return outcome_of(transfer.fail("cannot leave component instance"), transfer);
  const u64 rep = is_64 ? values[0] : static_cast<u32>(values[0]);
  values[0] = instance.handles.add({&type, rep, true, nullptr, 0});
  return outcome_of(values[0] != 0 || transfer.fail("too many handles"), transfer);
}

Outcome<void> resource_rep(InstanceState& instance, const ResourceType& type, abi::Slot* values) {
  Transfer transfer(*instance.store);
  const u32 index = static_cast<u32>(values[0]);
  const Handle* handle = instance.handles.find(index);
  if (std::string wrong = handle_error(handle, index, &type); !wrong.empty())
    return outcome_of(transfer.fail(std::move(wrong)), transfer);
  values[0] = handle->rep;
  return {};
}

Outcome<void> resource_drop(InstanceState& instance, const ResourceType& type, abi::Slot* values) {
  StoreState& store = *instance.store;
  Transfer transfer(store);
  const auto run = [&] {
    if (!instance.may_leave) return transfer.fail("cannot leave component instance");
    const u32 index = static_cast<u32>(values[0]);
    const Handle* found = instance.handles.find(index);
    if (std::string wrong = handle_error(found, index, &type); !wrong.empty()) return transfer.fail(std::move(wrong));
    if (found->lends != 0) return transfer.fail("cannot remove owned resource while borrowed");
    const Handle handle = *found;
    instance.handles.remove(index);
    if (!handle.is_own) {
      --handle.scope->borrows;
      return true;
    }
    if (type.owner == nullptr) {
      if (type.host_destructor) type.host_destructor(handle.rep);
      return true;
    }
    const std::vector<InstanceState*> instances = entered(type.owner, &instance);
    Entry entry;
    if (!entry.enter(instances, transfer)) return false;
    if (type.destructor != nullptr) {
      Task task;
      const TaskScope scope(store, task);
      abi::Slot slot = handle.rep;
      if (!call_core(store, *type.destructor, &slot, transfer)) return false;
    }
    entry.leave();
    return true;
  };
  return outcome_of(run(), transfer);
}

bool conforms(const cm::ValType& type, const Value& value) {
  using K = cm::TypeKind;
  if (value.kind != type.kind) return false;
  const auto all = [&](const cm::ValType& element) {
    if (element.kind == K::U8) return value.items.empty();
    return value.text.empty() && std::ranges::all_of(value.items, [&](const Value& v) { return conforms(element, v); });
  };
  switch (type.kind) {
    case K::Record:
    case K::Tuple:
      return std::ranges::equal(type.fields, value.items,
                                [](const cm::Field& f, const Value& v) { return conforms(*f.type, v); });
    case K::Variant:
    case K::Enum:
    case K::Option:
    case K::Result: {
      if (value.bits >= type.fields.size()) return false;
      const cm::ValType* payload = type.fields[value.bits].type;
      return payload ? value.items.size() == 1 && conforms(*payload, value.items[0]) : value.items.empty();
    }
    case K::List:
    case K::Map: return all(*type.element);
    case K::FixedList:
      return all(*type.element) &&
             (type.element->kind == K::U8 ? value.text.size() : value.items.size()) == type.length;
    default: return true;
  }
}

}  // namespace berth::component
