#include <pgtally/server/ask/follow_step.hpp>

namespace pgtally::server {

follow_step after(stream_end const& end, bool followed, token_source const& token) noexcept
{
    if (end.unreadable) return follow_step::give_up;
    auto const status = end.answer.status;
    // At the beginning, nobody at this address is a mistake rather than a restart.
    if (status == 0) return followed ? follow_step::ask_again : follow_step::give_up;
    if (status == 200 || status == 429 || status >= 500) return follow_step::ask_again;
    if (status == 401 && followed && !token.file.empty()) return follow_step::wait_for_token;
    return follow_step::give_up;
}

}  // namespace pgtally::server
