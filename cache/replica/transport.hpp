#pragma once

// How events travel from the source's transactions to a replica.
//
// Model: a transport is open or lost. While it is open it hands over every payload that was committed since it opened,
// in commit order, in batches: all that has arrived. When it opens again after a loss, or says `opened` again without
// one, payloads in between are missing.
//
// Guarantee to PostgreSQL: it reads always and at once. A slow consumer loses events, and is told by `opened`.

#include <boost/asio/awaitable.hpp>

#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace pgtally {

class transport {
public:
    struct payload {
        std::string_view text;  // good until the next call of `next`
    };
    struct opened {};
    struct lost {
        std::string reason;
        bool permanent = false;  // waiting does not cure it: password, database, …
    };
    using signal = std::variant<payload, opened, lost>;

    virtual ~transport() = default;

    // Connects, and connects again, until `stop`.
    virtual boost::asio::awaitable<void> run() = 0;

    // Waits for something and hands over all that is there; empty once stopped. One caller.
    virtual boost::asio::awaitable<std::span<signal const>> next() = 0;

    // Drops the connection and makes it anew.
    virtual void restart(std::string reason) = 0;

    virtual void stop() = 0;
};

}  // namespace pgtally
