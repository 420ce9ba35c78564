# The program in a container, for processors without a GPU:
#   docker build -t xsim .
#   docker run --rm -v "$PWD:/data" xsim zoo run physics-sde board.tif -o restored.tif
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY xsim xsim
COPY datasets datasets
COPY zoo zoo
COPY cli cli
# constraints.txt holds the tested versions; on Linux the index of PyTorch has the build without CUDA.
RUN python -m venv /opt/xsim \
    && /opt/xsim/bin/pip install --no-cache-dir -c constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu ".[gerber,mesh]"

FROM python:3.11-slim
COPY --from=build /opt/xsim /opt/xsim
# Nobody needs root to restore a radiograph; files come out as this user's, or as those of `docker run --user`.
RUN useradd --create-home --uid 1000 xsim && mkdir /data && chown xsim /data
ENV PATH=/opt/xsim/bin:$PATH XSIM_CACHE=/tmp/xsim-cache PYTHONUNBUFFERED=1
USER xsim
WORKDIR /data
ENTRYPOINT ["xsim"]
CMD ["--help"]
