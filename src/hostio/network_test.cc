#include "hostio/network.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <array>

#include "hostio/resolver.h"

namespace berth::hostio {
namespace {

SocketAddress at(std::string_view ip, u16 port) {
  SocketAddress a;
  a.ip = *parse_ip(ip);
  a.port = port;
  return a;
}

TEST(NetworkGrants, AllowNothingAtFirst) {
  const NetworkGrants none;
  EXPECT_FALSE(none.may_reach(at("127.0.0.1", 80)));
  EXPECT_FALSE(none.may_look_up("localhost"));
  EXPECT_FALSE(none.may_listen(at("127.0.0.1", 0)));
  EXPECT_FALSE(none.may_bind_tcp(at("0.0.0.0", 0)));
  EXPECT_FALSE(none.may_bind_udp(at("0.0.0.0", 0)));
}

TEST(NetworkGrants, ReachWhatARuleNames) {
  const struct {
    const char* rule;
    const char* ip;
    u16 port;
    bool allowed;
  } kCases[] = {
      {"192.0.2.1", "192.0.2.1", 1, true},
      {"192.0.2.1", "192.0.2.2", 1, false},
      {"192.0.2.1:80", "192.0.2.1", 80, true},
      {"192.0.2.1:80", "192.0.2.1", 81, false},
      {"192.0.2.1:80-90", "192.0.2.1", 90, true},
      {"192.0.2.1:80-90", "192.0.2.1", 91, false},
      {"192.0.2.1:*", "192.0.2.1", 9, true},
      {"10.0.0.0/8", "10.255.1.2", 9, true},
      {"10.0.0.0/8", "11.0.0.1", 9, false},
      {"10.1.16.0/20:443", "10.1.31.255", 443, true},
      {"10.1.16.0/20:443", "10.1.32.0", 443, false},
      {"10.0.0.0/8", "::ffff:10.0.0.1", 9, false},
      {"0.0.0.0/0", "203.0.113.9", 9, true},
      {"0.0.0.0/0", "2001:db8::1", 9, false},
      {"::1", "::1", 9, true},
      {"[::1]", "::1", 9, true},
      {"[::1]:80", "::1", 80, true},
      {"[::1]:80", "::1", 81, false},
      {"[2001:db8::]/32:443", "2001:db8:ffff::1", 443, true},
      {"[2001:db8::]/32:443", "2001:db9::1", 443, false},
      {"2001:db8::/33", "2001:db8:8000::1", 1, false},
      {"*", "203.0.113.9", 9, true},
      {"*:443", "2001:db8::1", 443, true},
      {"*:443", "2001:db8::1", 80, false},
      {"example.org", "192.0.2.1", 80, false},
  };
  for (const auto& c : kCases) {
    NetworkGrants grants;
    ASSERT_TRUE(grants.allow(c.rule)) << c.rule;
    EXPECT_EQ(grants.may_reach(at(c.ip, c.port)), c.allowed) << c.rule << " " << c.ip << " " << c.port;
  }
}

TEST(NetworkGrants, LookUpNamesThatRulesCover) {
  NetworkGrants grants;
  ASSERT_TRUE(grants.allow("Example.org:443"));
  ASSERT_TRUE(grants.allow("*.internal"));
  ASSERT_TRUE(grants.allow("192.0.2.0/24"));
  for (const char* name : {"example.org", "EXAMPLE.ORG", "example.org.", "a.internal", "a.b.internal"})
    EXPECT_TRUE(grants.may_look_up(name)) << name;
  for (const char* name : {"www.example.org", "example.org.evil", "internal", "xinternal", "192.0.2.1", ""})
    EXPECT_FALSE(grants.may_look_up(name)) << name;
}

TEST(NetworkGrants, ReachAddressesOfNamesOnceTheyAreKnown) {
  NetworkGrants grants;
  ASSERT_TRUE(grants.allow("example.org:443"));
  grants.learn("Example.org", *parse_ip("192.0.2.1"));
  grants.learn("other.org", *parse_ip("192.0.2.2"));
  EXPECT_TRUE(grants.may_reach(at("192.0.2.1", 443)));
  EXPECT_FALSE(grants.may_reach(at("192.0.2.1", 80)));
  EXPECT_FALSE(grants.may_reach(at("192.0.2.2", 443)));
}

TEST(NetworkGrants, BindWhereThatIsAllowed) {
  NetworkGrants grants;
  ASSERT_TRUE(grants.allow_listening("127.0.0.1:8080"));
  ASSERT_TRUE(grants.allow_udp_binding("*:53"));
  EXPECT_TRUE(grants.may_listen(at("127.0.0.1", 8080)));
  EXPECT_FALSE(grants.may_listen(at("127.0.0.1", 8081)));
  EXPECT_FALSE(grants.may_listen(at("0.0.0.0", 8080)));
  EXPECT_TRUE(grants.may_serve_udp(at("::", 53)));
  EXPECT_FALSE(grants.may_bind_udp(at("0.0.0.0", 0)));
  // Who may reach something needs a port of its own; but not one to listen at.
  ASSERT_TRUE(grants.allow("192.0.2.1"));
  EXPECT_TRUE(grants.may_bind_udp(at("0.0.0.0", 0)));
  EXPECT_FALSE(grants.may_serve_udp(at("0.0.0.0", 0)));
  EXPECT_TRUE(grants.may_bind_tcp(at("0.0.0.0", 0)));
  EXPECT_FALSE(grants.may_listen(at("0.0.0.0", 0)));
}

TEST(NetworkGrants, RefuseRulesThatMeanNothing) {
  NetworkGrants grants;
  for (const char* rule : {"", ":80", "host:", "host:x", "host:90-80", "host:70000", "10.0.0.0/33", "[::1]/129", "a b",
                           "a..b", ".a", "http://a", "[::1", "10.0.0.0/x"})
    EXPECT_FALSE(grants.allow(rule)) << rule;
  for (const char* rule : {"", "127.0.0.1", "127.0.0.1:", "name:80", "127.0.0.1:x"})
    EXPECT_FALSE(grants.allow_listening(rule)) << rule;
}

TEST(IpAddress, KnowsKindsOfAddresses) {
  EXPECT_TRUE(parse_ip("::ffff:1.2.3.4")->is_v4_mapped());
  EXPECT_FALSE(parse_ip("::1")->is_v4_mapped());
  EXPECT_TRUE(parse_ip("0.0.0.0")->is_unspecified());
  EXPECT_TRUE(parse_ip("::")->is_unspecified());
  EXPECT_FALSE(parse_ip("0.0.0.1")->is_unspecified());
  for (const char* text : {"224.0.0.1", "239.255.255.255", "255.255.255.255", "ff02::1"})
    EXPECT_FALSE(parse_ip(text)->is_unicast()) << text;
  for (const char* text : {"240.0.0.1", "127.0.0.1", "fe80::1"}) EXPECT_TRUE(parse_ip(text)->is_unicast()) << text;
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "01.2.3.4x", "::g", "[::1]"}) EXPECT_FALSE(parse_ip(text)) << text;
}

TEST(Lookup, FindsThisMachine) {
  auto lookup = Lookup::start("localhost");
  ASSERT_TRUE(lookup) << lookup.error().to_string();
  for (int i = 0; i < 100 && (*lookup)->state() == Lookup::State::Pending; ++i) {
    pollfd entry{(*lookup)->fd(), POLLIN, 0};
    ::poll(&entry, 1, 100);
    (*lookup)->advance();
  }
  ASSERT_EQ((*lookup)->state(), Lookup::State::Done);
  for (const IpAddress& a : (*lookup)->addresses()) EXPECT_TRUE(a == *parse_ip("127.0.0.1") || a == *parse_ip("::1"));
  EXPECT_FALSE((*lookup)->addresses().empty());
}

TEST(Lookup, MayBeGivenUp) {
  // Nobody answers, or somebody does: it is over when it goes.
  EXPECT_TRUE(Lookup::start("berth.invalid"));
}

}  // namespace
}  // namespace berth::hostio
