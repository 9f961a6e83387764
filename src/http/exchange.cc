#include "http/exchange.h"

#include "http/connection.h"

namespace berth::http {

void answer(Exchange& exchange, u16 status, Fields fields, std::string_view body) {
  if (!body.empty()) fields.push_back({"content-type", "text/plain; charset=utf-8"});
  exchange.respond(status, fields, body.size());
  exchange.write(body);
  exchange.finish({});
}

}  // namespace berth::http
