#include <pgtally/server/base/handed_over.hpp>
#include <pgtally/server/base/text.hpp>
#include <pgtally/server/base/whole_number.hpp>

#include <string_view>

namespace pgtally::server {

std::vector<handed_over> handed_over_to(long process,
                                        std::function<std::optional<std::string>(std::string const&)> const& getenv)
{
    constexpr int first = 3, most = 64;
    auto const count = getenv("LISTEN_FDS").value_or("");
    if (getenv("LISTEN_PID").value_or("") != std::to_string(process)) return {};
    auto const number = whole_number<int>(count, 1, most);
    if (!number) return {};
    auto const names = getenv("LISTEN_FDNAMES").value_or("");
    std::string_view rest{names};
    std::vector<handed_over> out;
    for (int i = 0; i < *number; ++i) out.push_back({first + i, std::string{take_piece(rest, ':')}});
    return out;
}

}  // namespace pgtally::server
