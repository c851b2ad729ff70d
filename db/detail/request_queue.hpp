#pragma once

#include <boost/assert.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace pgtally::db::detail {

enum class request_state {
    waiting,    ///< not sent: can be withdrawn, or sent on another connection
    written,    ///< sent: its answer is due
    abandoned,  ///< sent: its answer is due, but no caller waits for it
    done,       ///< left the queue
};

/// Base of queued requests: what request_queue must know of them.
struct queued {
    std::size_t bytes = 0;
    request_state state = request_state::waiting;
};

struct request_limits {
    std::size_t in_flight = 1;
    std::size_t in_flight_bytes = 0;  ///< one request may exceed it
    std::size_t queued = 0;
    std::size_t queued_bytes = 0;  ///< one request may exceed it
};

/// The requests of one connection: those that wait and are sent in order, and those that were sent and are answered
/// in the same order. A pure class.
template <class Request>
class request_queue {
public:
    using pointer = std::shared_ptr<Request>;

    explicit request_queue(request_limits limits) : limits_(limits) {}

    /// Returns false if too many requests wait.
    [[nodiscard]] bool push(pointer request)
    {
        BOOST_ASSERT(request->state == request_state::waiting);
        if (waiting_.size() >= limits_.queued) return false;
        if (!waiting_.empty() && waiting_bytes_ + request->bytes > limits_.queued_bytes) return false;
        waiting_bytes_ += request->bytes;
        waiting_.push_back(std::move(request));
        return true;
    }

    /// The next request to send; null if none waits or too many are in flight.
    [[nodiscard]] pointer next() const
    {
        if (waiting_.empty() || written_.size() >= limits_.in_flight) return nullptr;
        auto const fits = written_bytes_ + waiting_.front()->bytes <= limits_.in_flight_bytes;
        return fits || written_.empty() ? waiting_.front() : nullptr;
    }

    /// Records that next() was sent.
    void wrote()
    {
        BOOST_ASSERT(!waiting_.empty());
        auto request = std::move(waiting_.front());
        waiting_.pop_front();
        waiting_bytes_ -= request->bytes;
        request->state = request_state::written;
        add_written(std::move(request));
    }

    /// Records a request that no caller waits for. It counts as in flight, but the limits do not apply.
    void wrote_unasked(pointer request)
    {
        request->state = request_state::abandoned;
        add_written(std::move(request));
    }

    /// The request whose answer is due.
    ///
    /// *Preconditions*: a request is in flight.
    [[nodiscard]] pointer const& front() const
    {
        BOOST_ASSERT(!written_.empty());
        return written_.front();
    }

    /// Records that the answer of front() is complete. Returns true if a caller waits for it.
    bool answered()
    {
        auto const request = take_written();
        return std::exchange(request->state, request_state::done) == request_state::written;
    }

    /// front() did not run: makes it the next request to send, regardless of limits. If it was abandoned, it is
    /// not sent again.
    void again()
    {
        auto request = take_written();
        auto const wanted = request->state == request_state::written;
        request->state = wanted ? request_state::waiting : request_state::done;
        if (!wanted) return;
        waiting_bytes_ += request->bytes;
        waiting_.push_front(std::move(request));
    }

    /// The caller has left. Returns true if the request was withdrawn unsent; otherwise its answer will be
    /// dropped.
    bool abandon(pointer const& request)
    {
        if (request->state == request_state::written) request->state = request_state::abandoned;
        if (request->state != request_state::waiting) return false;
        // Usually it is the oldest: deadlines pass in the order of arrival.
        auto const found = std::find(waiting_.begin(), waiting_.end(), request);
        if (found == waiting_.end()) return false;  // it was never in the queue
        waiting_.erase(found);
        waiting_bytes_ -= request->bytes;
        request->state = request_state::done;
        return true;
    }

    /// After the loss of the connection: removes all requests that were sent, and returns those with a waiting
    /// caller.
    [[nodiscard]] std::vector<pointer> take_in_flight()
    {
        written_bytes_ = 0;
        return take(written_, request_state::written);
    }

    /// Removes and returns all requests that wait.
    [[nodiscard]] std::vector<pointer> take_waiting()
    {
        waiting_bytes_ = 0;
        return take(waiting_, request_state::waiting);
    }

    [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }
    [[nodiscard]] std::size_t in_flight() const noexcept { return written_.size(); }

    /// True if a caller waits for a request in flight.
    [[nodiscard]] bool is_awaited() const noexcept
    {
        auto const wanted = [](pointer const& each) { return each->state == request_state::written; };
        return std::any_of(written_.begin(), written_.end(), wanted);
    }

private:
    void add_written(pointer request)
    {
        written_bytes_ += request->bytes;
        written_.push_back(std::move(request));
    }

    pointer take_written()
    {
        BOOST_ASSERT(!written_.empty());
        auto request = std::move(written_.front());
        written_.pop_front();
        written_bytes_ -= request->bytes;
        return request;
    }

    static std::vector<pointer> take(std::deque<pointer>& from, request_state wanted)
    {
        std::vector<pointer> taken;
        for (auto& request : std::exchange(from, std::deque<pointer>())) {
            auto const was = std::exchange(request->state, request_state::done);
            if (was == wanted) taken.push_back(std::move(request));
        }
        return taken;
    }

    request_limits limits_;
    std::deque<pointer> waiting_{};
    std::deque<pointer> written_{};  // includes the abandoned ones
    std::size_t waiting_bytes_ = 0;
    std::size_t written_bytes_ = 0;
};

}  // namespace pgtally::db::detail
