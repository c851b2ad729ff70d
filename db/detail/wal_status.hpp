#pragma once

#include <pgtally/db/lsn.hpp>

#include <algorithm>
#include <chrono>

namespace pgtally::db::detail {

/// Decides when a wal_stream sends a status to its server, and when the server counts as silent. One object per
/// connection; a pure class.
class wal_status {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using duration = std::chrono::milliseconds;

    struct limits {
        duration interval{1'000};             ///< between two statuses
        duration keepalive_interval{15'000};  ///< of silence, until the server is asked to answer
        duration keepalive_timeout{10'000};   ///< for its answer
    };

    wal_status() = default;
    wal_status(limits with, time_point now) noexcept : limits_(with), input_(now), sent_(now) {}

    /// Something has arrived.
    void arrived(time_point now) noexcept
    {
        input_ = now;
        asked_ = false;
    }
    /// The server asks for a status.
    void server_asks() noexcept { server_asks_ = true; }
    [[nodiscard]] bool is_asked() const noexcept { return server_asks_; }

    enum class step {
        wait,  ///< until next()
        send,
        send_and_ask,  ///< the status asks the server to answer
        lost,          ///< the server does not answer
    };
    /// `moved`: the position differs from the one that was sent last.
    [[nodiscard]] step now(time_point now, bool moved) const noexcept
    {
        if (asked_ && now - asked_at_ >= limits_.keepalive_timeout) return step::lost;
        if (!asked_ && now - input_ >= limits_.keepalive_interval) return step::send_and_ask;
        auto const answers = server_asks_ && (moved || now - sent_ >= same_answer_after);
        return answers || now - sent_ >= limits_.interval ? step::send : step::wait;
    }

    void sent(time_point now, bool asks) noexcept
    {
        sent_ = now;
        server_asks_ = false;
        if (!asks) return;
        asked_ = true;
        asked_at_ = now;
    }

    /// When now() decides anew, unless something happens before.
    [[nodiscard]] time_point next() const noexcept
    {
        auto const send = sent_ + (server_asks_ ? std::min(same_answer_after, limits_.interval) : limits_.interval);
        auto const silence = asked_ ? asked_at_ + limits_.keepalive_timeout : input_ + limits_.keepalive_interval;
        return std::min(send, silence);
    }

private:
    // A server that shuts down asks again as soon as it is answered, until everything is confirmed.
    static constexpr duration same_answer_after{100};

    limits limits_{};
    time_point input_{};
    time_point sent_{};
    time_point asked_at_{};
    bool server_asks_ = false;  // and was not answered
    bool asked_ = false;        // the server was asked and has sent nothing since
};

}  // namespace pgtally::db::detail
