// wasi:http 0.2 for one instance: messages and their bodies, requests that go out over HTTP/1.1, in the clear or over
// TLS (tls_client.h), and those that come in (incoming.h). What a request may reach the grants say; nothing, unless
// they do. https://github.com/WebAssembly/WASI/tree/v0.2.12/proposals/http
//
// Choices where the specification leaves room:
//  - Headers that say how a message is framed and connected (connection, host, transfer-encoding, upgrade, …) are
//    forbidden; the host makes them.
//  - Each request has a connection of its own. Redirections are the guest's to follow.
//  - A request whose body is taken and has no content-length is sent in chunks.
//
// The store's thread.
#pragma once

#include "hostio/network.h"
#include "wasi_p2/wasi.h"

namespace berth::wasi_http {

// Offers the interfaces that `component` imports, after wasi_p2::add_to_linker, whose context they share.
// `grants`: the hosts and ports that requests may go to.
void add_to_linker(component::Linker& linker, wasi_p2::Context& context, hostio::NetworkGrants grants,
                   const component::cm::Component& component);

// The two halves of it: what each context has of its own, and what can be defined once for many.
void attach(wasi_p2::Context& context, hostio::NetworkGrants grants);
void define_interfaces(component::Linker& linker, const component::cm::Component& component);

}  // namespace berth::wasi_http
