#include "wasi_http/response_reader.h"

#include <gtest/gtest.h>

#include <string>

namespace berth::wasi_http {
namespace {

struct Outcome {
  std::optional<size_t> error;  // the case of it
  u16 status = 0;
  std::string body;
  bool is_over = false;
  bool has_trailers = false;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// What comes of a response that arrives in pieces of so many bytes, and is read with buffers of so many.
Outcome read_response(std::string_view text, size_t piece, size_t room, bool is_head = false, bool ends = true) {
  ResponseReader reader(is_head);
  Outcome out;
  std::string buffer(room, 0);
  const auto drain = [&] {
    for (;;) {
      const auto n = reader.read({reinterpret_cast<u8*>(buffer.data()), room});
      if (!n) {
        out.error = n.error().value.index();
        return false;
      }
      if (*n == 0) return true;
      out.body.append(buffer, 0, *n);
    }
  };
  bool ok = true;
  for (size_t at = 0; ok && at < text.size(); at += piece) {
    reader.add(text.substr(at, piece));
    ok = drain();
  }
  if (ok && ends) {
    reader.end();
    ok = drain();
  }
  if (reader.has_head()) out.status = reader.status();
  out.is_over = reader.is_over();
  out.has_trailers = static_cast<bool>(reader.trailers());
  return out;
}

TEST(ResponseReader, ReadsTheSameHoweverItArrives) {
  const struct {
    std::string text;
    Outcome wanted;
  } kCases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more", {{}, 200, "hello", true, false}},
      {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello", {{}, 200, "hello", true, false}},
      {"HTTP/1.1 404 \r\ncontent-length: 0\r\n\r\n", {{}, 404, "", true, false}},
      {"HTTP/1.0 200\r\n\r\nto the end", {{}, 200, "to the end", true, false}},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\ncontent-length: 9\r\n\r\n", {{}, 204, "", true, false}},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\ncontent-length: 3\r\n\r\nA;x\r\n0123456789\r\n1 "
       "\r\n!\r\n00\r\n\r\n",
       {{}, 200, "0123456789!", true, false}},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nA: b\r\nc:\r\n\r\n", {{}, 200, "", true, true}},
      // Wrong ones.
      {"HTTP/2 200\r\n\r\n", {HttpError::ProtocolError, 0, "", false, false}},
      {"HTTP/1.1 20x OK\r\n\r\n", {HttpError::ProtocolError, 0, "", false, false}},
      {"HTTP/1.1 099 OK\r\n\r\n", {HttpError::ProtocolError, 0, "", false, false}},
      {"HTTP/1.1 2000 OK\r\n\r\n", {HttpError::ProtocolError, 0, "", false, false}},
      {"HTTP/1.1 101 Switching\r\n\r\n", {HttpError::ProtocolError, 0, "", false, false}},
      {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", {HttpError::ProtocolError, 0, "", false, false}},
      {"HTTP/1.1 200 OK\r\nname : x\r\n\r\n", {HttpError::ProtocolError, 0, "", false, false}},
      {"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n", {HttpError::ProtocolError, 0, "", false, false}},
      {"HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n", {HttpError::ProtocolError, 0, "", false, false}},
      {"HTTP/1.1 200 OK\r\n", {HttpError::ResponseIncomplete, 0, "", false, false}},
      {"", {HttpError::ResponseIncomplete, 0, "", false, false}},
  };
  for (const auto& c : kCases) {
    for (const size_t piece : {1, 2, 3, 7, 1000}) {
      for (const size_t room : {1, 4, 1000}) {
        const Outcome got = read_response(c.text, piece, room);
        EXPECT_EQ(got.error, c.wanted.error) << c.text;
        EXPECT_EQ(got.body, c.wanted.body) << c.text << " in pieces of " << piece;
        EXPECT_EQ(got, c.wanted) << c.text << " in pieces of " << piece << ", read by " << room;
      }
    }
  }
}

TEST(ResponseReader, FailsInTheMiddleOfABody) {
  const struct {
    const char* text;
    HttpError::Case error;
  } kCases[] = {
      {"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", HttpError::ResponseIncomplete},
      {"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", HttpError::ProtocolError},
      {"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n", HttpError::ProtocolError},
      {"HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\nhello", HttpError::ProtocolError},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel", HttpError::ResponseIncomplete},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello", HttpError::ResponseIncomplete},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", HttpError::ResponseIncomplete},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhelloX\r\n", HttpError::ProtocolError},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n", HttpError::ProtocolError},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11111111111111111\r\n", HttpError::ProtocolError},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\n", HttpError::ResponseTransferCoding},
  };
  for (const auto& c : kCases) {
    for (const size_t piece : {1, 1000}) {
      const Outcome got = read_response(c.text, piece, 10);
      EXPECT_EQ(got.error, std::optional<size_t>(c.error)) << c.text;
      EXPECT_FALSE(got.is_over);
    }
  }
}

TEST(ResponseReader, GoesOnFailing) {
  ResponseReader reader(false);
  reader.add("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhixx\r\n");
  u8 room[10];
  EXPECT_EQ(reader.read(room).value_or(0), 2u);
  for (int i = 0; i < 2; ++i) {
    const auto failed = reader.advance();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().value.index(), HttpError::ProtocolError);
    reader.end();
  }
}

TEST(ResponseReader, ExpectsNoBodyWhereNoneWasAskedFor) {
  const Outcome got = read_response("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", 10, 10, true, false);
  EXPECT_EQ(got, (Outcome{{}, 200, "", true, false}));
}

TEST(ResponseReader, HoldsNoEndlessHeads) {
  std::string text = "HTTP/1.1 200 OK\r\n";
  while (text.size() < 70000) text += "name: value\r\n";
  const Outcome got = read_response(text, 1000, 10, false, false);
  EXPECT_EQ(got.error, std::optional<size_t>(HttpError::ResponseHeaderSectionSize));
  text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + std::string(5000, '1');
  EXPECT_EQ(read_response(text, 1000, 10, false, false).error, std::optional<size_t>(HttpError::ProtocolError));
}

}  // namespace
}  // namespace berth::wasi_http
