#include "wasi_http/incoming.h"

#include <algorithm>

#include "component_model/names.h"
#include "wasi_p2/state.h"

namespace berth::wasi_http {

namespace cm = component::cm;

std::string find_handler(const cm::Component& component) {
  for (const cm::NamedExtern& e : component.type->exports) {
    if (e.type.sort != cm::Sort::Instance) continue;
    const auto name = cm::parse_name(e.name);
    if (name && name->kind == cm::ParsedName::Kind::Interface && name->interface == "wasi:http/incoming-handler" &&
        cm::compatible_version(std::string(name->version)) == cm::compatible_version("0.2.0"))
      return e.name;
  }
  return {};
}

std::expected<void, runtime::InstantiationFailure> handle(wasi_p2::Context& context, component::Store& store,
                                                          component::Function& handler,
                                                          const Ref<IncomingRequest>& request, Responder& responder) {
  State& state = context.state();
  const auto out = make<ResponseOutparam>();
  out->inform = [&responder](u16 status, const Fields& fields) { responder.inform(status, fields); };
  out->set = [&responder](auto response) { responder.respond(std::move(response)); };
  const auto own = [&](auto& object) {
    return component::Value::of(cm::TypeKind::Own, reinterpret_cast<u64>(state.give(object).object));
  };
  const component::Value arguments[] = {own(request), own(out)};
  auto result = store.call(handler, arguments);
  if (!result) return std::unexpected(std::move(result).error());
  return {};
}

std::string_view describe(const HttpError& error) {
  std::string_view labels = component::HostTraits<HttpError>::kLabels;
  for (size_t i = error.value.index(); i > 0; --i) labels.remove_prefix(labels.find(' ') + 1);
  return labels.substr(0, labels.find(' '));
}

Method parse_method(std::string_view name) {
  Method m;
  switch (method_index(name)) {
    case 0: m.value.emplace<0>(); break;
    case 1: m.value.emplace<1>(); break;
    case 2: m.value.emplace<2>(); break;
    case 3: m.value.emplace<3>(); break;
    case 4: m.value.emplace<4>(); break;
    case 5: m.value.emplace<5>(); break;
    case 6: m.value.emplace<6>(); break;
    case 7: m.value.emplace<7>(); break;
    case 8: m.value.emplace<8>(); break;
    default: m.value.emplace<9>(name);
  }
  return m;
}

}  // namespace berth::wasi_http
