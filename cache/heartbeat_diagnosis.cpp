#include <pgtally/cache/heartbeat_diagnosis.hpp>

namespace pgtally {

namespace {

constexpr char const* deaf = "no heartbeat came back through the database for three intervals: ";

// The name of what a transport delivers.
std::string carrier(heartbeat_signs const& signs)
{
    return signs.transport == "notify" ? "notification" : "event by transport " + signs.transport;
}

}  // namespace

cache::reason why_deaf(heartbeat_signs const& signs)
{
    using kind = cache::reason::kind;
    if (!signs.sent) {
        auto const none_sent = std::string{deaf} + "none could be sent: ";
        if (signs.trouble.empty()) return {kind::no_answer, none_sent + "the database does not answer"};
        return {signs.trouble.what(), none_sent + signs.trouble.text()};
    }
    if (signs.pooled) {
        return {kind::deaf,
                std::string{deaf} +
                    "a pooler in between does not forward notifications; connect to PostgreSQL directly, or by a "
                    "pooler in session mode"};
    }
    return {kind::deaf, std::string{deaf} + "they were sent, but no " + carrier(signs) +
                            " is delivered; connect to PostgreSQL directly, by a host name that resolves to one "
                            "server"};
}

}  // namespace pgtally
