#include <pgtally/server/base/version.hpp>

namespace pgtally::server {

std::string_view version() noexcept
{
    return PGTALLY_VERSION;
}

int schema_version() noexcept
{
    return PGTALLY_SCHEMA_VERSION;
}

}  // namespace pgtally::server
