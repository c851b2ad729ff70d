#pragma once

#include <pgtally/server/http/body_source.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace pgtally::server {

// A file, read in pieces as the client takes them, so that a large file neither blocks the loop nor fills the memory.
class file_body final : public body_source {
public:
    // Opens the file. The body is its first `size` bytes. Throws std::runtime_error if the file cannot be opened.
    file_body(std::filesystem::path const& path, std::uint64_t size, std::size_t piece_bytes);

    std::optional<std::uint64_t> size() const noexcept override { return size_; }
    boost::asio::awaitable<std::string_view> next() override;

    // Reads one piece without suspending. If the file became shorter, the body ends early.
    std::string_view read();

private:
    std::ifstream in_;
    std::uint64_t size_, left_;
    std::string piece_;
};

}  // namespace pgtally::server
