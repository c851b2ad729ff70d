#pragma once

#include <pgtally/test/support/event_thread.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::test {

/// What goes wrong at one message of one connection.
enum class fault {
    none,               ///< no fault
    cut,                ///< resets both sides instead of forwarding the message
    cut_in_the_middle,  ///< forwards half of the message, then resets both sides
    half_close_client,  ///< sends FIN to the client; the client's data is still forwarded
    half_close_server,  ///< sends FIN to the server; the server's data is still forwarded
    stall,              ///< forwards nothing from here on in both directions; closes nothing
    stall_then_pass,    ///< like stall, but only for a moment or until pass()
    trickle,            ///< sends every byte from here on in its own segment (a few bytes for large messages)
};

/// The fault's name in a failure: "cut", "half-close towards the client".
[[nodiscard]] std::string_view name_of(fault what) noexcept;

/// The message that a fault hits. Connections and their messages ("steps") count from 1; the steps of both
/// directions are counted together, in the order in which the proxy reads them.
struct fault_plan {
    fault what = fault::none;
    std::size_t step = 1;
    std::size_t connection = 1;
};

/// A TCP proxy on 127.0.0.1 in its own thread that recognises PostgreSQL's messages. All calls are synchronous:
/// they take effect before they return.
class step_proxy {
public:
    /// Forwards everything to 127.0.0.1:port, except for the plan.
    explicit step_proxy(int port, fault_plan plan = fault_plan());
    step_proxy(step_proxy const&) = delete;
    step_proxy& operator=(step_proxy const&) = delete;
    ~step_proxy();

    [[nodiscard]] int port() const noexcept { return port_; }
    /// The DSN of the server through this proxy.
    [[nodiscard]] std::string dsn() const;

    /// Sets another plan, for messages that have not passed yet.
    void arm(fault_plan plan);
    /// Ends all stalls, beginning with what was held back.
    void pass();

    /// The messages of a connection so far: "C:startup", "S:R", "C:Q", ... Empty if there is no such connection.
    [[nodiscard]] std::vector<std::string> steps(std::size_t connection = 1);
    /// True if the fault has happened.
    [[nodiscard]] bool struck();
    /// Connections accepted since the start.
    [[nodiscard]] std::size_t accepted();

private:
    class state;

    event_thread thread_{};
    std::shared_ptr<state> state_;
    int port_ = 0;
};

}  // namespace pgtally::test
