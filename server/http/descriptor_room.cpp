#include <pgtally/server/http/descriptor_room.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace pgtally::server {

bool room_for_client(int open, std::size_t wanted) noexcept
{
    rlimit bound{};
    if (::getrlimit(RLIMIT_NOFILE, &bound) != 0) return true;
    auto const limit = static_cast<std::size_t>(bound.rlim_cur);
    int const next = ::fcntl(open, F_DUPFD_CLOEXEC, 0);
    if (next < 0) return false;
    ::close(next);
    return static_cast<std::size_t>(next) < limit - descriptors_kept(limit, wanted);
}

}  // namespace pgtally::server
