#pragma once

#include <pgtally/test/support/event_thread.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::test {

/// What goes wrong, at one message of one connection.
enum class fault {
    none,               ///< all is well
    cut,                ///< instead of the message a reset, to both sides
    cut_in_the_middle,  ///< half of the message, then a reset
    half_close_client,  ///< the client is told that nothing more comes (FIN); what it says still passes
    half_close_server,  ///< the server is; what it says still passes
    stall,              ///< from here on nothing passes, either way; nothing is closed
    stall_then_pass,    ///< the same for a moment, or until pass(); then all goes on
    trickle,            ///< from here on every byte has a segment of its own (of big messages, some bytes)
};

/// The fault's name, as a failure says it: "cut", "half-close towards the client".
[[nodiscard]] std::string_view name_of(fault what) noexcept;

/// Which message it befalls. Connections and their messages ("steps") count from 1; the steps of
/// both directions in one row, as they come to the proxy.
struct fault_plan {
    fault what = fault::none;
    std::size_t step = 1;
    std::size_t connection = 1;
};

/// A TCP proxy on 127.0.0.1 in a thread of its own, that knows where PostgreSQL's messages end. All
/// calls are synchronous: when they return, it is so.
class step_proxy {
public:
    /// Passes everything to 127.0.0.1:port, but for the plan.
    explicit step_proxy(int port, fault_plan plan = fault_plan());
    step_proxy(step_proxy const&) = delete;
    step_proxy& operator=(step_proxy const&) = delete;
    ~step_proxy();

    [[nodiscard]] int port() const noexcept { return port_; }
    /// To the server behind it, this way: as cluster::dsn() does straight.
    [[nodiscard]] std::string dsn() const;

    /// Another plan, for what has not passed yet.
    void arm(fault_plan plan);
    /// Ends all stalls: first of all what waited passes.
    void pass();

    /// The messages of a connection so far: "C:startup", "S:R", "C:Q", ... None: it was not made.
    [[nodiscard]] std::vector<std::string> steps(std::size_t connection = 1);
    /// Whether the fault has happened.
    [[nodiscard]] bool struck();
    /// Connections accepted since the beginning.
    [[nodiscard]] std::size_t accepted();

private:
    class state;

    event_thread thread_{};
    std::shared_ptr<state> state_;
    int port_ = 0;
};

}  // namespace pgtally::test
