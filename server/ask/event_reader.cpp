#include <pgtally/server/ask/event_reader.hpp>

#include <utility>

namespace pgtally::server {

bool event_reader::add(std::string_view bytes)
{
    bytes_.erase(0, std::exchange(read_, 0));
    if (bytes_.size() + event_.data.size() + bytes.size() > max_bytes_) return false;
    bytes_ += bytes;
    return true;
}

void event_reader::take_line(std::string_view line)
{
    auto const colon = line.find(':');
    auto const field = line.substr(0, colon);
    auto value = colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "event") {
        event_.name = value;
    } else if (field == "data") {
        if (has_data_) event_.data += '\n';
        event_.data += value;
        has_data_ = true;
    } else if (field == "id") {
        id_ = value;
    }
}

std::optional<sse_event> event_reader::next()
{
    for (;;) {
        auto const end = bytes_.find('\n', read_);
        if (end == std::string::npos) return std::nullopt;
        std::string_view line{bytes_.data() + read_, end - read_};
        read_ = end + 1;
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (!line.empty()) {
            take_line(line);
            continue;
        }
        last_id_ = id_;
        auto out = std::exchange(event_, {});
        if (std::exchange(has_data_, false)) return out;
    }
}

void event_reader::start_over()
{
    bytes_.clear();
    read_ = 0;
    event_ = {};
    has_data_ = false;
    id_ = last_id_;
}

}  // namespace pgtally::server
