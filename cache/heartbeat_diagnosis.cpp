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

std::string why_deaf(heartbeat_signs const& signs)
{
    if (!signs.sent) {
        return std::string{deaf} +
               "none could be sent: " + (signs.trouble.empty() ? "the database does not answer" : signs.trouble);
    }
    if (signs.pooled) {
        return std::string{deaf} +
               "a pooler in between does not forward notifications; connect to PostgreSQL directly, or by a pooler in "
               "session mode";
    }
    return std::string{deaf} + "they were sent, but no " + carrier(signs) +
           " is delivered; connect to PostgreSQL directly, by a host name that resolves to one server";
}

}  // namespace pgtally
