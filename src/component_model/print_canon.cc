#include "component_model/component_printer.h"

namespace berth::component_model {

void ComponentPrinter::options(const CanonOptions& o) {
  const auto core = [&](const char* word, Space space, u32 at) {
    out_ += std::string(" (") + word + ' ';
    index(space, at);
    out_ += ')';
  };
  for (const CanonOption option : o.order) {
    switch (option) {
      case CanonOption::Utf8: out_ += " string-encoding=utf8"; break;
      case CanonOption::Utf16: out_ += " string-encoding=utf16"; break;
      case CanonOption::Latin1OrUtf16: out_ += " string-encoding=latin1+utf16"; break;
      case CanonOption::Memory: core("memory", Space::CoreMemory, *o.memory); break;
      case CanonOption::Realloc: core("realloc", Space::CoreFunc, *o.realloc); break;
      case CanonOption::PostReturn: core("post-return", Space::CoreFunc, *o.post_return); break;
      case CanonOption::Async: out_ += " async"; break;
      case CanonOption::Callback: core("callback", Space::CoreFunc, *o.callback); break;
    }
  }
}

// What follows the name of a built-in.
void ComponentPrinter::builtin(const Canon& d) {
  using K = CanonKind;
  const auto type = [&] {
    out_ += ' ';
    index(Space::Type, d.type);
  };
  switch (d.kind) {
    case K::ResourceNew:
    case K::ResourceDrop:
    case K::ResourceRep:
    case K::StreamNew:
    case K::StreamDropReadable:
    case K::StreamDropWritable:
    case K::FutureNew:
    case K::FutureDropReadable:
    case K::FutureDropWritable: type(); break;
    case K::StreamRead:
    case K::StreamWrite:
    case K::FutureRead:
    case K::FutureWrite:
      type();
      options(d.options);
      break;
    case K::StreamCancelRead:
    case K::StreamCancelWrite:
    case K::FutureCancelRead:
    case K::FutureCancelWrite:
      type();
      if (d.flag) out_ += " async";
      break;
    case K::SubtaskCancel:
      if (d.flag) out_ += " async";
      break;
    case K::TaskReturn:
      if (d.result) {
        out_ += " (result ";
        value_type(*d.result);
        out_ += ')';
      }
      options(d.options);
      break;
    case K::ErrorContextNew:
    case K::ErrorContextDebugMessage: options(d.options); break;
    case K::ContextGet:
    case K::ContextSet: out_ += ' ' + wasm::to_string(d.slot_type) + ' ' + std::to_string(d.number); break;
    case K::WaitableSetWait:
    case K::WaitableSetPoll:
      if (d.flag) out_ += " cancellable";
      out_ += " (memory ";
      index(Space::CoreMemory, *d.options.memory);
      out_ += ')';
      break;
    case K::ThreadNewIndirect:
      out_ += ' ';
      index(Space::CoreType, d.type);
      out_ += " (core table ";
      index(Space::CoreTable, d.number);
      out_ += ')';
      break;
    default:
      if (d.flag) out_ += " cancellable";
  }
}

Result<> ComponentPrinter::print(const Canon& d) {
  if (d.kind == CanonKind::Lift) {
    out_ += "(func";
    define(Space::Func);
    out_ += ' ';
    type_index(Space::Type, d.type);
    out_ += " (canon lift (core func ";
    index(Space::CoreFunc, d.func);
    out_ += ')';
    options(d.options);
  } else {
    out_ += "(core func";
    define(Space::CoreFunc);
    out_ += std::string(" (canon ") + to_string(d.kind);
    if (d.kind == CanonKind::Lower) {
      out_ += " (func ";
      index(Space::Func, d.func);
      out_ += ')';
      options(d.options);
    } else {
      builtin(d);
    }
  }
  out_ += "))";
  return {};
}

}  // namespace berth::component_model
