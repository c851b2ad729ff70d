#pragma once

#include <pgtally/server/http/body_source.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace pgtally::server {

// A file, read in pieces as the client takes them, so that a large one neither holds the loop nor fills the memory.
class file_body final : public body_source {
public:
    // `size` bytes of the file, from its beginning. Throws std::runtime_error if it cannot be opened.
    file_body(std::filesystem::path const& path, std::uint64_t size, std::size_t piece_bytes);

    std::optional<std::uint64_t> size() const noexcept override { return size_; }
    boost::asio::awaitable<std::string_view> next() override;

    // A piece, without the wait that `next` may be. A file that became shorter ends early.
    std::string_view read();

private:
    std::ifstream in_;
    std::uint64_t size_, left_;
    std::string piece_;
};

}  // namespace pgtally::server
