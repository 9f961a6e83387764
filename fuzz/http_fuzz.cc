// Any bytes as requests of HTTP/1.1: refused or read, and the same however the bytes arrive.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

#include "http/request_parser.h"

namespace berth::fuzz {
namespace {

using http::RequestParser;

struct Read {
  std::vector<std::tuple<std::string, std::string, std::string, http::Fields, std::string, http::Fields>> requests;
  u16 refusal = 0;
};

// Gives `input` in pieces of at most `piece` bytes, and takes bodies in pieces of at most `room`.
Read read_all(std::string_view input, size_t piece, size_t room) {
  Read out;
  RequestParser parser(4096);
  http::RequestHead head;
  std::string body, held;
  http::Fields trailers;
  size_t given = 0;
  for (;;) {
    const std::string_view next = input.substr(given, piece);
    given += next.size();
    held += next;
    for (;;) {
      std::string part;
      const RequestParser::State before = parser.state();
      const size_t n = parser.feed(held, head, part, room, trailers);
      if (n > held.size() || part.size() > room) std::abort();
      held.erase(0, n);
      body += part;
      if (parser.state() == RequestParser::State::Refused) {
        out.refusal = parser.refusal();
        if (out.refusal < 400) std::abort();
        return out;
      }
      if (parser.state() == RequestParser::State::Over) {
        if (head.method.empty() || head.path.empty()) std::abort();
        if (head.content_length && *head.content_length != body.size()) std::abort();
        out.requests.emplace_back(head.method, head.authority, head.path, head.fields, body, trailers);
        parser.reset();
        head.clear();
        body.clear();
        trailers.clear();
        continue;
      }
      if (n == 0 && part.empty() && before == parser.state()) break;
    }
    if (given == input.size()) return out;
  }
}

}  // namespace
}  // namespace berth::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace berth::fuzz;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Read whole = read_all(input, ~size_t{0}, ~size_t{0});
  for (const size_t piece : {size_t{1}, size_t{7}}) {
    const Read parts = read_all(input, piece, piece);
    // What is wrong with one that is not complete may be seen sooner or later; what was read before may not differ.
    const size_t count = std::min(whole.requests.size(), parts.requests.size());
    if (!std::equal(whole.requests.begin(), whole.requests.begin() + static_cast<std::ptrdiff_t>(count),
                    parts.requests.begin()))
      std::abort();
    if (whole.requests.size() != parts.requests.size()) std::abort();
  }
  return 0;
}
