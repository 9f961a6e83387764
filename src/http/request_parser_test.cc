#include "http/request_parser.h"

#include <gtest/gtest.h>

namespace berth::http {
namespace {

constexpr size_t kMuch = ~size_t{0};

struct Parsed {
  RequestHead head;
  std::string body;
  Fields trailers;
  RequestParser::State state;
  u16 refusal;
  size_t taken = 0;
  bool keeps_alive, expects_continue;
};

// Everything at once, or in pieces.
Parsed parse(std::string_view input, size_t piece = kMuch, size_t room = kMuch) {
  RequestParser parser(1024);
  Parsed p;
  std::string held;
  for (size_t at = 0; at < input.size();) {
    const std::string_view next = input.substr(at, piece);
    at += next.size();
    held += next;
    for (size_t n = 1; n > 0 && parser.state() < RequestParser::State::Over;) {
      const size_t before = p.body.size();
      n = parser.feed(held, p.head, p.body, room == kMuch ? kMuch : before + room - p.body.size(), p.trailers);
      held.erase(0, n);
      p.taken += n;
    }
  }
  p.state = parser.state();
  p.refusal = parser.refusal();
  p.keeps_alive = parser.keeps_alive();
  p.expects_continue = parser.expects_continue();
  return p;
}

TEST(RequestParser, ReadsHeads) {
  const Parsed p =
      parse("\r\nGET /a?b HTTP/1.1\r\nHost: x.org:80\r\nX-One:  1 \r\nx-one: 2\r\nTE: trailers\r\n\r\nrest");
  EXPECT_EQ(p.state, RequestParser::State::Over);
  EXPECT_EQ(p.head.method, "GET");
  EXPECT_EQ(p.head.path, "/a?b");
  EXPECT_EQ(p.head.authority, "x.org:80");
  EXPECT_EQ(p.head.version, Version::Http11);
  EXPECT_EQ(p.head.fields, (Fields{{"x-one", "1"}, {"x-one", "2"}}));
  EXPECT_TRUE(p.keeps_alive);
  EXPECT_FALSE(p.head.has_body);
}

TEST(RequestParser, ReadsBodiesInPiecesOfAnySize) {
  const std::string length = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n0123456789GET";
  const std::string chunks =
      "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\n0123\r\n6;x=\"y\"\r\n456789\r\n0\r\n"
      "X-After: 1\r\nconnection: close\r\n\r\nGET";
  for (const size_t piece : {size_t{1}, size_t{3}, kMuch}) {
    for (const size_t room : {size_t{1}, kMuch}) {
      for (const std::string& input : {length, chunks}) {
        const Parsed p = parse(input, piece, room);
        EXPECT_EQ(p.state, RequestParser::State::Over);
        EXPECT_EQ(p.body, "0123456789");
        EXPECT_EQ(p.taken, input.size() - 3);
      }
    }
    EXPECT_EQ(parse(chunks, piece).trailers, (Fields{{"x-after", "1"}}));
  }
}

TEST(RequestParser, KnowsWhatConnectionsAndClientsWant) {
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").keeps_alive);
  EXPECT_TRUE(parse("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").keeps_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").keeps_alive);
  EXPECT_TRUE(
      parse("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-Continue\r\ncontent-length: 1\r\n\r\n").expects_continue);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\r\n").expects_continue);
  const Parsed absolute = parse("GET http://b.org?x HTTP/1.1\r\nhost: a\r\n\r\n");
  EXPECT_EQ(absolute.head.authority, "b.org");
  EXPECT_EQ(absolute.head.path, "/?x");
  EXPECT_EQ(parse("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n").head.path, "*");
}

TEST(RequestParser, Refuses) {
  const std::string host = "host: a\r\n";
  const std::pair<std::string, int> cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400},
      {"GET * HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET ftp://a/ HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /a#b HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET / HTTP/1.1\r\nhost: u@a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "a b: c\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "a: b\x01\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "transfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "transfer-encoding: identity\r\n\r\n", 501},
      {"GET / HTTP/1.0\r\n" + host + "transfer-encoding: chunked\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "content-length: 1\r\ncontent-length: 1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "content-length: 99999999999999999999\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "transfer-encoding: chunked\r\n\r\nx\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "expect: nothing\r\n\r\n", 417},
      {"GET / HTTP/3.0\r\n" + host + "\r\n", 505},
      {"CONNECT a:1 HTTP/1.1\r\n" + host + "\r\n", 501},
      {"GET / HTTP/1.1\r\n" + host + "x: " + std::string(2000, 'y') + "\r\n\r\n", 431},
      {"GET / HTTP/1.1\r\n" + host + "x: " + std::string(2000, 'y'), 431},
      {"GET /" + std::string(2000, 'y'), 431},
  };
  for (const auto& [input, status] : cases) {
    for (const size_t piece : {size_t{1}, kMuch}) {
      const Parsed p = parse(input, piece);
      EXPECT_EQ(p.state, RequestParser::State::Refused) << input;
      EXPECT_EQ(p.refusal, status) << input;
    }
  }
  // However many fields, their sum counts.
  std::string many = "GET / HTTP/1.1\r\n" + host;
  for (int i = 0; i < 500; ++i) many += "a: b\r\n";
  EXPECT_EQ(parse(many, 1).refusal, 431);
  std::string trailers = "POST / HTTP/1.1\r\n" + host + "transfer-encoding: chunked\r\n\r\n0\r\n";
  for (int i = 0; i < 500; ++i) trailers += "a: b\r\n";
  EXPECT_EQ(parse(trailers + "\r\n").state, RequestParser::State::Refused);
}

TEST(Message, DatesAndReasons) {
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(reason(404), "Not Found");
  EXPECT_TRUE(is_bodiless(204) && is_bodiless(304) && !is_bodiless(404));
  EXPECT_TRUE(is_hop_by_hop("Transfer-Encoding") && !is_hop_by_hop("trailer"));
}

}  // namespace
}  // namespace berth::http
