#include "component_model/component_decoder.h"

namespace berth::component_model {

CanonOptions ComponentDecoder::canon_options() {
  CanonOptions o;
  vec([&] {
    const u64 at = reader_.offset();
    const u8 code = choice("canonical option", 7);
    o.order.push_back(static_cast<CanonOption>(code));
    const auto once = [&](std::optional<u32>& to, const char* what) {
      const u32 value = index();
      if (to)
        return fail(Error(ErrorCode::InvalidComponent,
                          std::string("canonical option `") + what + "` is specified more than once")
                        .at(at));
      to = value;
    };
    switch (code) {
      case 0:
      case 1:
      case 2:
        if (o.encoding) {
          return fail(Error(ErrorCode::InvalidComponent, "canonical encoding option conflicts with another").at(at));
        }
        o.encoding = static_cast<StringEncoding>(code);
        break;
      case 3: once(o.memory, "memory"); break;
      case 4: once(o.realloc, "realloc"); break;
      case 5: once(o.post_return, "post-return"); break;
      case 6:
        if (o.is_async) {
          return fail(
              Error(ErrorCode::InvalidComponent, "canonical option `async` is specified more than once").at(at));
        }
        o.is_async = true;
        break;
      default: once(o.callback, "callback");
    }
  });
  return o;
}

Canon ComponentDecoder::canon() {
  using K = CanonKind;
  Canon c;
  const u64 at = reader_.offset();
  const u8 code = reader_.byte();
  const auto kind = [&](K k) { c.kind = k; };
  const auto with_type = [&](K k) { c.kind = k, c.type = index(); };
  const auto with_options = [&](K k) { c.kind = k, c.type = index(), c.options = canon_options(); };
  const auto with_async = [&](K k) { c.kind = k, c.type = index(), c.flag = flag("async"); };
  const auto cancellable = [&](K k) { c.kind = k, c.flag = flag("cancellable"); };
  switch (code) {
    case 0x00:
    case 0x01: {
      kind(code == 0 ? K::Lift : K::Lower);
      const u64 zero_at = reader_.offset();
      const u8 zero = reader_.byte();
      if (ok() && zero != 0) malformed(zero_at, "invalid leading byte (" + hex(zero) + ") for canonical function");
      c.func = index();
      c.options = canon_options();
      if (code == 0) c.type = index();
      break;
    }
    case 0x02: with_type(K::ResourceNew); break;
    case 0x03: with_type(K::ResourceDrop); break;
    case 0x04: with_type(K::ResourceRep); break;
    case 0x05: kind(K::TaskCancel); break;
    case 0x06: cancellable(K::SubtaskCancel); break;
    case 0x09:
      kind(K::TaskReturn);
      c.result = result_list();
      c.options = canon_options();
      break;
    case 0x0A:
    case 0x0B:
      kind(code == 0x0A ? K::ContextGet : K::ContextSet);
      c.slot_type = reader_.val_type();
      c.number = index();
      break;
    case 0x0C: cancellable(K::ThreadYield); break;
    case 0x0D: kind(K::SubtaskDrop); break;
    case 0x0E: with_type(K::StreamNew); break;
    case 0x0F: with_options(K::StreamRead); break;
    case 0x10: with_options(K::StreamWrite); break;
    case 0x11: with_async(K::StreamCancelRead); break;
    case 0x12: with_async(K::StreamCancelWrite); break;
    case 0x13: with_type(K::StreamDropReadable); break;
    case 0x14: with_type(K::StreamDropWritable); break;
    case 0x15: with_type(K::FutureNew); break;
    case 0x16: with_options(K::FutureRead); break;
    case 0x17: with_options(K::FutureWrite); break;
    case 0x18: with_async(K::FutureCancelRead); break;
    case 0x19: with_async(K::FutureCancelWrite); break;
    case 0x1A: with_type(K::FutureDropReadable); break;
    case 0x1B: with_type(K::FutureDropWritable); break;
    case 0x1C: kind(K::ErrorContextNew), c.options = canon_options(); break;
    case 0x1D: kind(K::ErrorContextDebugMessage), c.options = canon_options(); break;
    case 0x1E: kind(K::ErrorContextDrop); break;
    case 0x1F: kind(K::WaitableSetNew); break;
    case 0x20: cancellable(K::WaitableSetWait), c.options.memory = index(); break;
    case 0x21: cancellable(K::WaitableSetPoll), c.options.memory = index(); break;
    case 0x22: kind(K::WaitableSetDrop); break;
    case 0x23: kind(K::WaitableJoin); break;
    case 0x24: kind(K::BackpressureInc); break;
    case 0x25: kind(K::BackpressureDec); break;
    case 0x26: kind(K::ThreadIndex); break;
    case 0x27: with_type(K::ThreadNewIndirect), c.number = index(); break;
    case 0x28: kind(K::ThreadResumeLater); break;
    case 0x29: cancellable(K::ThreadSuspend); break;
    case 0x2A: cancellable(K::ThreadSuspendThenResume); break;
    case 0x2B: cancellable(K::ThreadYieldThenResume); break;
    case 0x2C: cancellable(K::ThreadSuspendThenPromote); break;
    case 0x2D: cancellable(K::ThreadYieldThenPromote); break;
    default:
      if (ok()) malformed(at, "invalid leading byte (" + hex(code) + ") for canonical function");
  }
  return c;
}

}  // namespace berth::component_model
