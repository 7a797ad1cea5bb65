# `gantool serve` with the built-in models, on CPUs. See docs/serve.md for how to run it.
FROM python:3.12-slim

# The CPU builds of torch are a tenth of the default ones; the built-in models run without either.
RUN pip install --no-cache-dir "torch>=2.9,<3" "torchvision>=0.24,<1" --index-url https://download.pytorch.org/whl/cpu

COPY pyproject.toml README.md LICENSE LICENSE-APACHE /build/
COPY src /build/src
RUN pip install --no-cache-dir "/build[serve]" && rm -r /build \
    && useradd --system --no-create-home --shell /usr/sbin/nologin gantool

USER gantool
WORKDIR /srv
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=3)"]

# Others can reach it, so it asks for a token: docker run -e GANTOOL_TOKEN=...
ENTRYPOINT ["gantool", "serve", "--host", "0.0.0.0"]
