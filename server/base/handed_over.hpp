#pragma once

// Sockets that systemd opened before it started the program, so that clients wait instead of being refused while it restarts.
//
// Model: they are descriptors from 3 on; the environment says how many, for which process, and what each is called
// (`FileDescriptorName=` of the socket unit).
//
// Source: sd_listen_fds(3). That protocol is three variables, which spares a library.

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace pgtally::server {

struct handed_over {
    int descriptor = -1;
    std::string name{};  // empty: none
};

// The sockets that are meant for this process: at most 64. `getenv` returns the value of a variable, if it is set.
std::vector<handed_over> handed_over_to(long process,
                                        std::function<std::optional<std::string>(std::string const&)> const& getenv);

}  // namespace pgtally::server
