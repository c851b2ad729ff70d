#pragma once

#include "laboratory.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::lab {

/// A client that listens and reports notifications until it is destroyed.
class ear {
public:
    /// Called for each notification, in order. If it throws, nothing more is reported.
    using hear = std::function<void(std::string_view channel, std::string_view payload)>;

    /// Does no I/O. `channels` are taken literally; at least one.
    ear(laboratory& lab, std::vector<std::string> channels, hear each);
    ear(ear const&) = delete;
    ear& operator=(ear const&) = delete;
    ~ear();

    /// Returns when LISTEN is committed. Throws refused, also after 30 s.
    asio::awaitable<void> listen();

    /// Returns when everything committed before has been reported. Throws refused, also after 30 s, and
    /// db::error.
    asio::awaitable<void> catch_up();

private:
    struct state;
    static asio::awaitable<void> keep(std::shared_ptr<state> of);
    static asio::awaitable<void> until(std::shared_ptr<state> of, bool state::* wanted, char const* complaint);

    laboratory& lab_;
    std::shared_ptr<state> state_;
};

}  // namespace pgtally::lab
