#include <pgtally/server/http/refused_origins.hpp>

namespace pgtally::server {

namespace {

// What a client sent, for the log: short, and without what a terminal or a reader of lines would take for more.
std::string harmless(std::string_view text)
{
    constexpr std::size_t longest = 200;
    std::string out{text.substr(0, longest)};
    for (auto& c : out) {
        if (c <= ' ' || c > '~') c = '?';
    }
    if (text.size() > longest) out += "...";
    return out;
}

}  // namespace

std::optional<std::string> refused_origins::line(std::string_view origin, std::string_view host, time_point now)
{
    if (now < limiter_.ready()) {
        ++left_out_;
        return std::nullopt;
    }
    limiter_.done(now);
    auto out = "refused a page of the origin " + harmless(origin) + " that asked the host " + harmless(host) +
               "; --allow-origin lists those that are allowed";
    if (left_out_ > 0) out += " (" + std::to_string(left_out_) + " more since the last line)";
    left_out_ = 0;
    return out;
}

}  // namespace pgtally::server
