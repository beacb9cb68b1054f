// Fetch the tables again every two seconds, while the page can be seen.
const live = document.getElementById("live");
const state = document.getElementById("state");

async function refresh() {
  if (document.hidden) return;
  try {
    const response = await fetch(live.dataset.source);
    if (!response.ok) throw new Error(response.statusText);
    live.innerHTML = await response.text();
    state.textContent = "live";
  } catch {
    state.textContent = "offline";
  }
}

setInterval(refresh, 2000);
