// Requests that a host has received and a component answers: the export wasi:http/incoming-handler. What carries the
// messages is the host's business: it gives a body's bytes by a BodySource, and takes the response by a Responder.
//
// The store's thread.
#pragma once

#include "component/store.h"
#include "wasi_http/types.h"
#include "wasi_p2/wasi.h"

namespace berth::wasi_http {

// Takes what a component answers with. Called from within calls of the component's.
class Responder {
 public:
  // 1xx, any number of them before the response.
  virtual void inform(u16 status, const Fields& fields) = 0;
  // Once: the response, whose body may be written meanwhile or later (OutgoingBody); or why there is none.
  virtual void respond(std::expected<Ref<OutgoingResponse>, HttpError> response) = 0;

 protected:
  ~Responder() = default;
};

// The name under which a component exports the handler in a version that can be called; empty when it does not.
std::string find_handler(const component::cm::Component& component);

// Has `handler` (`handle` of that export) answer. `context` is attached to the store. Returns when the component does;
// what it has not written of the response's body by then will not come. The responder outlives the context.
std::expected<void, runtime::InstantiationFailure> handle(wasi_p2::Context& context, component::Store& store,
                                                          component::Function& handler,
                                                          const Ref<IncomingRequest>& request, Responder& responder);

// The case of `error` in plain words, as "DNS error" or "connection refused".
std::string_view describe(const HttpError& error);
// "GET" and the others, or another.
Method parse_method(std::string_view name);

}  // namespace berth::wasi_http
