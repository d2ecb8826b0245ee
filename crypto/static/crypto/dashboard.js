// The page's parts are fetched anew every few seconds; the chart stays and takes the new figures.
document.addEventListener("htmx:oobAfterSwap", () => {
  const minutes = document.getElementById("minutes");
  const chart = window.Chart && Chart.getChart("chart");
  if (!minutes || !chart) return;
  const { labels, datasets } = JSON.parse(minutes.dataset.value);
  chart.data.labels = labels;
  datasets.forEach((set, index) => { chart.data.datasets[index].data = set.data; });
  chart.update();
});
