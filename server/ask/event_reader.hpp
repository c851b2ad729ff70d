#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::server {

struct sse_event {
    std::string name{};  // empty: "message"
    std::string data{};
};

// Cuts a stream of Server-Sent Events into events ("Server-sent events" in the HTML Standard, as far as a server of
// pgtally uses it: comments, `event`, `data`, `id`, and `retry`, which is ignored).
//
// Threads: one.
class event_reader {
public:
    // An event may not be larger than this.
    explicit event_reader(std::size_t max_bytes) : max_bytes_{max_bytes} {}

    // More bytes of the stream, cut anywhere. False if an event is too large: the stream cannot be read any further.
    [[nodiscard]] bool add(std::string_view bytes);

    // The next event that is complete.
    std::optional<sse_event> next();

    // The id of the last event that had one, and that `next` has returned.
    std::string const& last_id() const noexcept { return last_id_; }

    // A new connection: what was not complete is forgotten, the id is not.
    void start_over();

private:
    void take_line(std::string_view line);

    std::size_t max_bytes_;
    std::string bytes_;
    std::size_t read_ = 0;  // of `bytes_`
    sse_event event_;
    std::string id_, last_id_;
    bool has_data_ = false;
};

}  // namespace pgtally::server
