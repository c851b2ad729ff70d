#pragma once

#include "http_address.hpp"
#include "laboratory.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

namespace pgtally::lab {

/// `pgtally serve` for the lab's tally, as a child process on a free port. Destroying it ends it with SIGTERM,
/// and with SIGKILL after 5 s. The process also ends if the lab ends without destroying it. It gets the
/// connection string through its environment, which other users cannot read.
class own_server {
public:
    /// Starts the program, and returns when it has reported its address. Throws refused, with the program's last
    /// output.
    static asio::awaitable<std::unique_ptr<own_server>> start(laboratory& lab, std::string program);

    own_server(own_server const&) = delete;
    own_server& operator=(own_server const&) = delete;
    ~own_server();

    [[nodiscard]] http_address const& address() const noexcept { return address_; }

private:
    struct output;
    own_server(int pid, std::shared_ptr<output> said) : pid_(pid), said_(std::move(said)) {}
    static asio::awaitable<void> drain(std::shared_ptr<output> said);

    int pid_;
    std::shared_ptr<output> said_;
    http_address address_{};
};

/// The program pgtally beside this one; empty if there is none.
[[nodiscard]] std::string program_beside();

}  // namespace pgtally::lab
