#pragma once

// Sockets that listen: for TCP, at a path, or handed over by systemd.

#include <pgtally/server/base/endpoint.hpp>
#include <pgtally/server/base/net.hpp>

#include <sys/types.h>

namespace pgtally::server {

// How sockets are made.
struct listening_options {
    bool reuse_port = false;  // other processes may listen at the same address, and share the connections
    mode_t unix_mode = 0666;  // the rights of a Unix socket
};

struct listening {
    stream_acceptor socket;
    endpoint address;       // that it is bound to: if the requested port is 0, the one that the system chose
    bool loopback = false;  // only this machine reaches it by TCP
    bool owned = false;     // it is a Unix socket whose file is to be removed at the end
};

// Throws std::runtime_error that names the address. The socket file of a server that ended without removing it is replaced; one
// at which somebody listens, and a file that is no socket, are not.
listening listen_at(asio::io_context& io, endpoint const& where, listening_options const& how);

// A socket that another process made (sd_listen_fds(3)). Throws std::runtime_error if it is none that listens for streams.
listening listen_by(asio::io_context& io, int descriptor);

// Removes the file of a Unix socket that `listen_at` made, if it is still there.
void remove_file(listening const& of) noexcept;

}  // namespace pgtally::server
